import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect, createLead, listLeads } from '../src/client/client.ts'
import { isReady } from './faults/processes.ts'
import { bareEnvironment, onLeash } from './leash.ts'
import { until } from './patience.ts'
import { password, send } from './service.ts'

// One DATA_DIR and one port for the whole file, started as few times as will do: each test goes on where the one before
// it has ended.

const foreignSecrets = { SECRET_KEYS: `v1:${Buffer.alloc(32, 9).toString('base64url')}` }

let dataDir: string
let port: number
let server: ChildProcess | undefined
const children: ChildProcess[] = []
const logs: Promise<string>[] = []
let admin: { email: string; password: string }
let session: string
let key: string
const url = () => `http://localhost:${port}`

function run(script: string, args: string[] = [], env: Record<string, string> = {}, input = '') {
  const started = spawn(...onLeash(script, ...args), {
    env: { ...bareEnvironment, PORT: String(port), DATA_DIR: dataDir, DRAIN_SECONDS: '0', ...env },
  })
  children.push(started)
  let output = ''
  started.stdout.on('data', (chunk) => (output += chunk))
  started.stderr.on('data', (chunk) => (output += chunk))
  started.stdin.end(input)
  return { started, output: () => output, ended: once(started, 'close').then(([code]) => ({ code, output })) }
}

const service = (env?: Record<string, string>) => run('src/main.ts', [], env).ended
/** What people are told, line by line: the service writes the same into its log. */
const told = (output: string) => output.split('\n').filter((line) => !line.startsWith('{'))
const demo = (env?: Record<string, string>) => run('src/cli/demo.ts', [], env).ended
const operator = (args: readonly string[], env?: Record<string, string>, input?: string) =>
  run('src/cli/admin.ts', [...args], env, input).ended

async function startServer(env?: Record<string, string>) {
  const { started, output, ended } = run('src/main.ts', [], env)
  server = started
  logs.push(ended.then((whole) => whole.output))
  await until(async () => started.exitCode !== null || (await isReady(url())))
  if (started.exitCode !== null) throw new Error(`The service did not get ready: ${output()}`)
  return output
}

/**
 * Ends the service, or another child, and gives its exit code: 0 when it stopped by itself, in the time that it gives
 * itself.
 */
async function end(signal: NodeJS.Signals, child = server): Promise<number | null> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return null
  const ended = once(child, 'exit')
  child.kill(signal)
  const [code] = await ended
  return code
}

/**
 * The database servers on our DATA_DIR: of the processes that work in it, those that no other one of them has started.
 */
function databases(): number[] {
  const inside = readdirSync('/proc').flatMap((pid) => {
    try {
      if (!readlinkSync(`/proc/${pid}/cwd`).startsWith(dataDir)) return []
      return { pid, parent: /^PPid:\t(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] }
    } catch {
      return [] // no process, or one that has just gone
    }
  })
  return inside.flatMap(({ pid, parent }) => (inside.some((other) => other.pid === parent) ? [] : Number(pid)))
}

/** Without a stack, which would tell nothing to whoever is to mend it. */
const refused = (reason: string) => ({
  code: 1,
  output: expect.toSatisfy((output: string) => output.includes(reason) && !output.includes('"stack"')),
})

const firstAdmin = () => join(dataDir, 'first-admin')
const signIn = (body: object) => send(`${url()}/v1/session`, 'POST', { body })
const statusOf = async (token: string) => (await send(`${url()}/v1/me`, 'GET', { token })).status

beforeAll(async () => {
  dataDir = mkdtempSync(join(tmpdir(), 'carbuddii-first-run-'))
  // Started by root, the server of the database runs as somebody else, who must get through.
  chmodSync(dataDir, 0o711)
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  port = typeof address === 'object' && address ? address.port : 0
  probe.close()
})
afterAll(async () => {
  await Promise.all(children.map((child) => end('SIGTERM', child)))
  rmSync(dataDir, { recursive: true, force: true })
})

describe('before the first start', () => {
  it('names every fault of the environment and no value, for the service and for the commands', async () => {
    const faults = ['PORT', 'PUBLIC_URL', 'DATABASE_URL', 'SECRET_KEYS', 'ADMIN_PASSWORD', 'WORKERS']
    const env = Object.fromEntries(faults.map((name) => [name, 'sesame']))
    for (const { code, output } of await Promise.all([service(env), demo(env), operator(['list-dealers'], env)])) {
      expect(code).toBe(1)
      expect(told(output).map((line) => line.trim().split(' ')[0])).toEqual(['The', ...faults, ''])
      expect(output).not.toContain('sesame')
    }
  })

  it('names what a setting needs beside it, whatever else is wrong', async () => {
    const { output } = await service({
      PORT: 'sesame',
      DATABASE_URL: 'postgres://sesame',
      PUBLIC_URL: 'https://sesame.example',
    })
    expect(told(output).map((line) => line.trim().split(' ')[0])).toEqual([
      'The',
      'PORT',
      'SECRET_KEYS',
      'TRUST_PROXY',
      '',
    ])
  })

  it('tells whoever runs the demo to start the service', async () => {
    expect(await demo()).toEqual({
      code: 1,
      output: expect.stringContaining(`${firstAdmin()} is missing or damaged. Start the service`),
    })
  })
})

describe('one process', () => {
  it('starts on nothing, makes the first admin known, and has all that it stored after kill -9', async () => {
    const first = await startServer()
    admin = JSON.parse(readFileSync(firstAdmin(), 'utf8'))
    expect(first()).toContain(admin.password)
    expect(await demo()).toEqual({ code: 0, output: expect.stringContaining('Done.') })
    session = (await signIn(admin)).body.access_token
    key = (
      await send(`${url()}/v1/api-keys`, 'POST', {
        token: session,
        body: { name: 'Survivor', kind: 'extensive_integrations' },
      })
    ).body.secret
    const { body } = await send(`${url()}/v1/leads`, 'GET', { token: session })

    await end('SIGKILL')
    const second = await startServer()
    expect(databases()).toHaveLength(1)
    expect(second()).not.toMatch(/password/i)
    expect((await signIn(admin)).status).toBe(200)
    const { data } = await listLeads({ client: connect({ baseUrl: url(), apiKey: key }) })
    // Which customer a lead is of may be found at any time.
    const leads = (items: object[] = []) => items.map((lead) => ({ ...lead, customerId: '', rev: '' }))
    expect([data?.items.length, leads(data?.items)]).toEqual([3, leads(body.items)])
  })

  it('is the only owner of its DATA_DIR', async () => {
    expect(await service({ PORT: '0' })).toEqual(refused(`in use by process ${server?.pid}`))
    expect(databases()).toHaveLength(1)
  })

  it('tells the operator what is wrong, and takes no foreign secret for its signing keys', async () => {
    const wrong = [
      [['create-dealer', '--name', 'X', '--email', 'nobody'], 'e-mail address'],
      [['create-dealer', '--name', 'X', '--email', 'x@x.example', '--country', 'DNK'], 'two letters'],
      [['create-dealer', '--name', 'X', '--email', 'x@x.example', '--time-zone', 'Europe/Atlantis'], 'IANA time zone'],
      [['create-dealer', '--name', 'X', '--email', admin.email], 'is taken'],
      [
        ['add-user', '--dealer', `dealer_${'0'.repeat(32)}`, '--email', 'x@x.example', '--name', 'X'],
        'There is no dealer_0',
      ],
      [['reset-password', 'x@x.example'], 'Nobody has'],
    ] as const
    await Promise.all(
      wrong.map(async ([args, reason]) =>
        expect(await operator(args)).toEqual({ code: 1, output: expect.stringContaining(reason) }),
      ),
    )
    expect(await operator(['rotate-signing-key', '--now'], foreignSecrets)).toEqual({
      code: 1,
      output: expect.stringContaining('not one that the service has run with'),
    })
    expect((await demo()).code).toBe(0)
  })

  it('keeps the first password in a file until it is changed', async () => {
    const { access_token: token } = (await signIn(admin)).body
    expect(
      (
        await send(`${url()}/v1/me/password`, 'PUT', {
          token,
          body: { currentPassword: admin.password, newPassword: password },
        })
      ).status,
    ).toBe(204)
    expect(existsSync(firstAdmin())).toBe(false)

    writeFileSync(firstAdmin(), JSON.stringify(admin))
    const again = (await signIn({ email: admin.email, password })).body
    const link = await send(`${url()}/v1/users/${again.user.id}/password-link`, 'POST', { token: again.access_token })
    expect(
      (
        await send(`${url()}/v1/password`, 'POST', {
          body: { token: link.body.url.split('#')[1], password: admin.password },
        })
      ).status,
    ).toBe(204)
    expect(existsSync(firstAdmin())).toBe(false)
    writeFileSync(firstAdmin(), JSON.stringify(admin))
  })

  it('lets the operator manage dealers and people beside it', async () => {
    const made = await operator([
      'create-dealer',
      '--name',
      'Nordhavn Biler',
      '--email',
      'mette@nordhavn.example',
      '--admin-name',
      'Mette',
      '--country',
      'dk',
      '--time-zone',
      'UTC',
    ])
    const [, dealer = '', given = ''] = /(dealer_\w+)[^]*Password +(\S+)/.exec(made.output) ?? []
    expect((await signIn({ email: 'mette@nordhavn.example', password: given })).status).toBe(200)
    const [listed, added, refused] = await Promise.all([
      operator(['list-dealers']),
      operator([
        'add-user',
        '--dealer',
        dealer,
        '--email',
        'jonas@nordhavn.example',
        '--name',
        'Jonas',
        '--role',
        'sales',
      ]),
      operator(['reset-password', admin.email, '--password-stdin'], {}, 'too short\n'),
    ])
    expect(listed.output).toContain(`${dealer}  Nordhavn Biler (DK)`)
    expect(added.code).toBe(0)
    expect(refused).toEqual({ code: 1, output: expect.stringContaining('12 to 256') })
    expect(existsSync(firstAdmin())).toBe(true)

    expect((await operator(['reset-password', admin.email, '--password-stdin'], {}, `${password}\n`)).code).toBe(0)
    expect(existsSync(firstAdmin())).toBe(false)
    expect((await signIn(admin)).status).toBe(401)
    expect((await signIn({ email: admin.email, password })).status).toBe(200)
  })

  it('stops in time and leaves no database behind', async () => {
    expect(await end('SIGTERM')).toBe(0)
    expect(databases()).toEqual([])
  })
})

describe('two workers', () => {
  it('serve the demo from one database', async () => {
    await startServer({ WORKERS: '2' })
    expect((await demo({ ADMIN_EMAIL: admin.email, ADMIN_PASSWORD: password })).code).toBe(0)
    expect(databases()).toHaveLength(1)
  })

  it('refuse every earlier token after --now, and a client that renews does not notice', async () => {
    session = (await signIn({ email: admin.email, password })).body.access_token
    expect(await statusOf(session)).toBe(200)
    let exchanges = 0
    const client = connect({
      baseUrl: url(),
      apiKey: key,
      fetch: (request) => ((exchanges += Number(request.url.endsWith('/token'))), fetch(request)),
    })
    const push = async () =>
      (await createLead({ client, body: { customer: { phones: [{ number: '32 12 34 56' }] } } })).response?.status
    expect(await Promise.all([push(), push(), push()])).toEqual([201, 201, 201])
    expect(exchanges).toBe(1)

    expect((await operator(['rotate-signing-key', '--now'])).code).toBe(0)
    expect(await Promise.all([statusOf(session), statusOf(session), statusOf(session)])).toEqual([401, 401, 401])
    expect(await Promise.all([push(), push(), push()])).toEqual([201, 201, 201])
    expect(exchanges).toBe(2)
  })

  it('answer 503 while the database is away, and are back by themselves when it is', async () => {
    session = (await signIn({ email: admin.email, password })).body.access_token
    // Without its configuration it does not come back before we say so.
    const configuration = join(dataDir, 'postgres', 'postgresql.conf')
    renameSync(configuration, `${configuration}.away`)
    try {
      for (const pid of databases()) process.kill(pid, 'SIGKILL')
      for (const path of ['/readyz', '/v1/me']) {
        const reply = await until(async () => {
          const { status, headers, body } = await send(url() + path, 'GET', { token: session })
          return status !== 200 && [status, body.code, headers.has('retry-after')]
        })
        expect([path, reply]).toEqual([path, [503, 'unavailable', true]])
      }
    } finally {
      renameSync(`${configuration}.away`, configuration)
    }
    await until(async () => (await statusOf(session)) === 200)
    expect(databases()).toHaveLength(1)
  })

  it('stop in time and leave no database behind', async () => {
    expect(await end('SIGTERM')).toBe(0)
    expect(databases()).toEqual([])
  })
})

it('has written what happened to its log, and no secret', async () => {
  const log = (await Promise.all(logs)).join('')
  for (const told of ['"operationId":"exchangeApiKey"', '"operationId":"signIn"', '"msg":"stopped"'])
    expect(log).toContain(told)
  for (const secret of [session, key, password, 'session=']) expect(log).not.toContain(secret)
})

describe('refuses to start', () => {
  it('on a database of other secrets', async () => {
    expect(await service(foreignSecrets)).toEqual(refused('SECRET_KEYS is not the one'))
    expect(databases()).toEqual([])
  })

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['damaged', 'v1:cut off'],
  ])(
    'where the secrets are %s that its database was written with, and starts when they are back',
    async (word, left) => {
      const path = join(dataDir, 'secrets')
      renameSync(path, `${path}.away`)
      if (left !== undefined) writeFileSync(path, left)
      for (const WORKERS of ['1', '2']) expect(await service({ WORKERS })).toEqual(refused(`${path} is ${word}`))
      expect(existsSync(path) ? readFileSync(path, 'utf8') : undefined).toBe(left)
      expect(databases()).toEqual([])
      renameSync(`${path}.away`, path)
      expect((await operator(['rotate-signing-key'])).code).toBe(0)
    },
  )

  it('where the database is missing that its secrets belong to, and starts when it is back', async () => {
    const cluster = join(dataDir, 'postgres')
    renameSync(cluster, `${cluster}.away`)
    const reason = `secrets belongs to is missing: there is no ${cluster}`
    expect(await service()).toEqual(refused(reason))
    expect(await operator(['list-dealers'])).toEqual(refused(reason))
    expect(existsSync(cluster)).toBe(false)
    renameSync(`${cluster}.away`, cluster)
    expect((await operator(['list-dealers'])).output).toContain('Nordhavn Biler')
  })

  it('for no other file that is damaged', async () => {
    const damaged = ['lock', 'owner.json', 'first-admin']
    for (const name of damaged) writeFileSync(join(dataDir, name), 'damaged '.repeat(200))
    for (const name of damaged) writeFileSync(join(dataDir, `${name}.new`), '')
    const { code, output } = await operator(['reset-password', admin.email, '--password-stdin'], {}, `${password}\n`)
    expect([code, output]).toEqual([0, expect.stringContaining('changed')])
  })

  it('on a database that may lose what it acknowledged', async () => {
    appendFileSync(join(dataDir, 'postgres', 'postgresql.conf'), '\nfsync = off\n')
    expect(await service()).toEqual(refused('fsync off'))
    expect(databases()).toEqual([])
  })
})
