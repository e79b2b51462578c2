import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parse, stringify } from 'yaml'
import { canCompare, changesBetween } from '../../openapi/changes.ts'

const handedOut = parse(readFileSync('generated/integrators.yaml', 'utf8'))
const release = resolve('openapi/release.ts')

type Edit = (document: any) => void
const edited = (...edits: Edit[]) => {
  const document = structuredClone(handedOut)
  for (const edit of edits) edit(document)
  return document
}
const lead = '/v1/leads/{leadId}'

const breaking: Record<string, { edit: Edit; said: string }> = {
  'an operation that is gone': {
    edit: ({ paths }) => delete paths['/v1/leads/counts'].get,
    said: '`getLeadCounts`: api removed without deprecation',
  },
  'an operation that is gone after it was deprecated': {
    edit: ({ paths }) => delete paths['/v1/events/stream'],
    said: '`streamEvents`: api path removed without deprecation',
  },
  'another name of an operation': {
    edit: ({ paths }) => (paths['/healthz'].get.operationId = 'getHealthz'),
    said: '`getHealth`: api operation id `getHealth` removed and replaced with `getHealthz`',
  },
  'another tag, by which clients are cut into files': {
    edit: ({ paths }) => (paths['/readyz'].get.tags = ['Leads']),
    said: '`getReadiness`: api tag `Service` removed',
  },
  'a scope that an operation newly needs': {
    edit: ({ paths }) => (paths[lead].get.security = [{ accessToken: ['leads:read', 'events:read'] }]),
    said: '`getLead`: asks for `accessToken` `leads:read` `events:read` instead of `accessToken` `leads:read`',
  },
  'another scope': {
    edit: ({ paths }) => (paths[lead].patch.security = [{ accessToken: ['leads:read'] }]),
    said: '`updateLead`: asks for `accessToken` `leads:read` instead of `accessToken` `leads:update`',
  },
  'a credential where none was needed': {
    edit: ({ paths }) => (paths['/.well-known/jwks.json'].get.security = [{ accessToken: [] }]),
    said: '`getJwks`: asks for `accessToken` instead of nothing',
  },
  'a way to authenticate that is gone': {
    edit: ({ paths }) => paths['/v1/auth/token'].post.security.splice(1, 1),
    said: '`exchangeApiKey`: asks for `apiKeyHeader` or nothing instead of `clientBasic`',
  },
  'a scope that is gone': {
    edit: ({ components }) =>
      delete components.securitySchemes.accessToken.flows.clientCredentials.scopes['leads:create'],
    said: 'the scope `leads:create` is gone',
  },
  'another header of a key': {
    edit: ({ components }) => (components.securitySchemes.apiKeyHeader.name = 'X-Key'),
    said: 'the security scheme `apiKeyHeader` works another way',
  },
  'a member of an answer that is gone': {
    edit: ({ components }) => delete components.schemas.Lead.properties.respondedAt,
    said: '`listCustomerLeads`, `listEvents`, `listLeads`, `searchLeads`, `getLead`, `updateLead`: removed the optional property `respondedAt` from the response with the `200` status',
  },
  'a pattern of an answer that no longer holds': {
    edit: ({ components }) => delete components.schemas.LeadReceipt.properties.id.pattern,
    said: "`getLeadReceipt`: the `id` response's property pattern `^lead_[0-9a-f]{32}$` was removed for the status `200`",
  },
  'a member that must be sent': {
    edit: ({ components }) => (components.schemas.LeadUpdate.required = ['status', 'statusReason']),
    said: '`updateLead`: the request property `statusReason` became required',
  },
  'an input that is closed': {
    edit: ({ components }) => (components.schemas.PhoneInput.additionalProperties = false),
    said: '`PhoneInput` refuses members that it does not name',
  },
  'a parameter of a path that takes less': {
    edit: ({ components }) => (components.parameters.LeadId.schema.pattern = '^lead_[0-9]{32}$'),
    said: '`getLead`, `updateLead`, `getLeadOriginal`, `getLeadReceipt`: changed the pattern of the `path` request parameter `leadId` from `^lead_[0-9a-f]{32}$` to `^lead_[0-9]{32}$`',
  },
  'a scope that a member newly needs': {
    edit: ({ components }) => (components.schemas.Lead.properties.status['x-needs-scope'] = 'events:read'),
    said: '`Lead.status` is for `events:read` alone',
  },
  'another scope that a parameter needs': {
    edit: ({ components }) => (components.parameters.Contact['x-needs-scope'] = 'events:read'),
    said: '`Contact` is for `events:read` alone',
  },
  'a list in a query that is written another way': {
    edit: ({ components }) => (components.parameters.LeadTypes.explode = false),
    said: '`LeadTypes` is written another way',
  },
  'less room for a body': {
    edit: ({ paths }) => (paths['/v1/leads/batch'].post['x-body-bytes-max'] = 1024),
    said: '`/v1/leads/batch.post` takes less long bodies',
  },
}

const additive: Record<string, { edit: Edit; said: string }> = {
  'an operation': {
    edit: ({ paths }) => (paths['/v1/brands'] = { get: { ...paths['/v1/sources'].get, operationId: 'listBrands' } }),
    said: '`listBrands`: `GET /v1/brands` is new: List where leads come from, and what has gone quiet',
  },
  'a member of an answer': {
    edit: ({ components }) =>
      (components.schemas.Lead.properties.mood = { type: 'string', maxLength: 32, description: 'Glad or not.' }),
    said: '`listCustomerLeads`, `listEvents`, `listLeads`, `searchLeads`, `getLead`, `updateLead`: added the optional property `mood` to the response with the `200` status',
  },
  'a member of an input': {
    edit: ({ components }) => (components.schemas.LeadInput.properties.mood = { type: 'string', description: 'Glad.' }),
    said: '`createLead`, `createLeadBatch`: added the new optional request property `mood`',
  },
  'a parameter': {
    edit: ({ paths }) =>
      paths['/v1/leads'].get.parameters.push({
        name: 'mood',
        in: 'query',
        schema: { type: 'string' },
        description: '-',
      }),
    said: '`listLeads`: added the new optional `query` request parameter `mood`',
  },
  'a value where more may come': {
    edit: ({ components }) => components.schemas.LeadType['x-extensible-enum'].push('exchange'),
    said: '`LeadType` may be `exchange`, too',
  },
  'a scope, and a way to authenticate': {
    edit: ({ paths, components }) => {
      components.securitySchemes.accessToken.flows.clientCredentials.scopes['brands:read'] = 'Read brands.'
      paths['/v1/auth/token'].post.security.push({ accessToken: ['brands:read'] })
    },
    said: 'the scope `brands:read` is new',
  },
  'less to ask for': {
    edit: ({ paths }) => {
      paths['/v1/events'].get.security = [{ accessToken: [] }]
      paths['/v1/sources'].get.security = []
    },
    said: '',
  },
  'another address, and other words': {
    edit: ({ servers, info, components }) => {
      servers[0].url = 'https://leads.dealer.example'
      components.securitySchemes.accessToken.flows.clientCredentials.tokenUrl = 'https://leads.dealer.example/token'
      components.schemas.Lead.description = 'Somebody who asks.'
      info.version = '1.1.0'
    },
    said: '',
  },
}

// oasdiff is compiled, and has come for some machines only.
describe.runIf(canCompare())('a change of what is handed out', () => {
  it('breaks clients when it takes something away, and each is told', () => {
    const changes = changesBetween(handedOut, edited(...Object.values(breaking).map(({ edit }) => edit)))
    for (const [what, { said }] of Object.entries(breaking))
      expect([what, changes.breaking]).toEqual([what, expect.arrayContaining([said])])
    expect(changes.breaking).toHaveLength(Object.keys(breaking).length)
  })

  it('breaks nobody when it adds something, and each is told', () => {
    const changes = changesBetween(handedOut, edited(...Object.values(additive).map(({ edit }) => edit)))
    expect(changes).toEqual({ breaking: [], additive: expect.any(Array) })
    const told = Object.values(additive).flatMap(({ said }) => said || [])
    expect(changes.additive.toSorted()).toEqual(told.toSorted())
  })
})

/** A document that is compared in no time. */
const small = {
  openapi: '3.1.0',
  info: { title: 'Leads', version: '1.0.0' },
  paths: {
    [lead]: {
      get: {
        operationId: 'getLead',
        responses: {
          200: {
            description: 'The lead.',
            content: { 'application/json': { schema: { $ref: '#/components/schemas/Lead' } } },
          },
        },
      },
    },
  },
  components: {
    schemas: { Lead: { type: 'object', properties: { id: { type: 'string' }, respondedAt: { type: 'string' } } } },
    securitySchemes: {},
  },
}
const { respondedAt: _respondedAt, ...withoutOne } = small.components.schemas.Lead.properties
const withMembers = (properties: object) => ({
  ...small,
  components: { ...small.components, schemas: { Lead: { type: 'object', properties } } },
})
const mood = { mood: { type: 'string' } }
const withMore = withMembers({ ...small.components.schemas.Lead.properties, ...mood })
const withLess = withMembers(withoutOne)
const withMoreAndLess = withMembers({ ...withoutOne, ...mood })
const added = '`getLead`: added the optional property `mood` to the response with the `200` status'
const removed = '`getLead`: removed the optional property `respondedAt` from the response with the `200` status'

describe.runIf(canCompare())('the check of a commit', () => {
  it('lets what is not released change', () => {
    const { write, run } = repository()
    write(small)
    expect(run('check')).toEqual({ isGreen: true, output: 'Nothing is released yet: all may change.\n' })
  })

  it('is green when something is added, which the changelog says, and then holds that, too', () => {
    const { write, run, commit, changelog } = releasedRepository()
    write(withMore)
    expect(run('check')).toEqual({ isGreen: true, output: '' })
    run('changelog')
    expect(changelog()).toEqual([{ changes: [added] }, { date: today(), changes: ['Version 1.'] }])
    run()
    commit()
    expect(changelog()).toEqual([
      { date: today(), changes: [added] },
      { date: today(), changes: ['Version 1.'] },
    ])
    expect(run('check').isGreen).toBe(true)

    write(small)
    expect(run('check').output).toContain('removed the optional property `mood`')
  })

  it('is red when something breaks, says what and what to do, and releases nothing', () => {
    const { write, run } = releasedRepository()
    write(withLess)
    for (const command of ['check', undefined]) {
      const { isGreen, output } = run(command)
      expect(isGreen).toBe(false)
      expect(output).toContain(`Clients of version 1 would break:\n- ${removed}\n`)
      expect(output).toContain('put the new beside it')
    }
  })

  it('is red, too, when the released document is edited beside it, and goes on to be until it is mended', () => {
    const { write, run, commit, editReleased } = releasedRepository()
    write(withLess)
    editReleased(withLess)
    expect(run('check').output).toContain(removed)
    commit()
    expect(run('check').output).toContain(removed)
    write(withMoreAndLess)
    editReleased(withMoreAndLess)
    commit()
    expect(run('check').output).toContain(removed)

    write(withMore)
    expect(run('check').output).toContain('promises less than it did')
    run()
    commit()
    expect(run('check')).toEqual({ isGreen: true, output: '' })
  })

  it('is red when the released document is gone', () => {
    const { run, remove } = releasedRepository()
    remove('openapi/released/v1.yaml')
    expect(run('check').output).toContain('is gone')
  })

  it.each([
    ['there is no git', (folder: string) => rmSync(join(folder, '.git'), { recursive: true })],
    [
      'the history is cut off',
      (folder: string) => {
        writeFileSync(join(folder, '.git/shallow'), git(folder, 'rev-parse', 'HEAD'))
      },
    ],
  ])('says that it left the history out where %s, and fails for no other reason', (_why, forget) => {
    const { folder, write, run, editReleased } = releasedRepository()
    forget(folder)
    const leftOut = 'No whole git history is here: that openapi/released/v1.yaml itself was edited is not looked for.\n'
    expect(run('check')).toEqual({ isGreen: true, output: leftOut })
    write(withLess)
    expect(run('check').output).toContain(removed)
    editReleased(withLess)
    expect(run('check')).toEqual({ isGreen: true, output: leftOut })
  })
})

const today = () => new Date().toISOString().slice(0, 10)

function git(folder: string, ...options: string[]): string {
  const who = ['user.name=Somebody', 'user.email=somebody@example.com', 'commit.gpgsign=false']
  return execFileSync('git', [...who.flatMap((each) => ['-c', each]), ...options], { cwd: folder, encoding: 'utf8' })
}

/** An empty repository, in which a document can be handed out, and the commands of npm run. */
function repository() {
  const folder = mkdtempSync(join(tmpdir(), 'released-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  git(folder, 'init', '--quiet')
  mkdirSync(join(folder, 'generated'))
  const put = (path: string, document: unknown) => writeFileSync(join(folder, path), stringify(document))
  return {
    folder,
    write: (document: unknown) => put('generated/integrators.yaml', document),
    editReleased: (document: unknown) => put('openapi/released/v1.yaml', document),
    remove: (path: string) => rmSync(join(folder, path)),
    changelog: () => parse(readFileSync(join(folder, 'generated/changelog.yaml'), 'utf8')),
    run: (...command: (string | undefined)[]) => {
      const options = command.flatMap((each) => each ?? [])
      const { status, stdout, stderr } = spawnSync(process.execPath, [release, ...options], {
        cwd: folder,
        encoding: 'utf8',
      })
      return { isGreen: status === 0, output: stdout + stderr }
    },
    commit: () => {
      git(folder, 'add', '.')
      git(folder, 'commit', '--quiet', '--message', 'Change something')
    },
  }
}

/** The same after the first release. */
function releasedRepository() {
  const made = repository()
  made.write(small)
  made.run()
  made.commit()
  return made
}
