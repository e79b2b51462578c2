import { createPublicKey, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { createVerifier } from 'fast-jwt'
import { type FastifyReply, fastify, type FastifyRequest } from 'fastify'
import pg from 'pg'
import { pino } from 'pino'
import { parse } from 'yaml'
import type { LeadInput } from '../../generated/server/types.gen.ts'
import { openDatabase } from '../../src/db/pool.ts'
import { documentPath } from '../../src/http/contract.ts'
import { inner, newId } from '../../src/ids.ts'
import { newLead } from '../../src/leads/input.ts'
import type { NewLead } from '../../src/leads/lead.ts'
import { openRecorder } from '../../src/requests/recorder.ts'
import { ready } from './harness.ts'
import { leadInput } from './world.ts'

/*
 * What our server is measured against, tuned by hand. Every peer stores the rows that we store: the lead, normalised by
 * our own newLead, the event with its number from the dealer's clock, and with HTTP the log of requests by our own
 * recorder. Every lead is judged by its credential and the generation of signing keys. `single` and `grouped` answer
 * with the headers and write the line of the log that we do.
 *
 *   single   Fastify, one insert per call: the best single statement that we found. It judges with the snapshot that it
 *            began with, so unlike ours it may store a lead whose key was deleted while it waited for the dealer's
 *            clock.
 *   grouped  Fastify, our store_leads, one group at a time.
 *   bare     no HTTP: 64 callers, each of which has its next lead stored by store_leads when the last one is.
 */

export interface PeerWorld {
  connection: Parameters<typeof openDatabase>[0]
  issuer: string
  log: string
  dealers: { dealerId: string; website: string }[]
  generation: string
}

// More do not help on two cores.
const singleConnectionsMax = 16
// Commits that wait for each other a moment share a flush of the log.
const singleSettings = '-c commit_delay=100 -c commit_siblings=4'
const groupLeadsMax = 250
const callers = 64

const world: PeerWorld = JSON.parse(process.env['BENCH_WORLD'] ?? '{}')
const { connection, issuer, generation } = world

interface Claims {
  dealer_id: string
  credential_id: string
  sub: string
  epoch: number
  scope: string
}

/** A lead as a peer stores it; `data` and `warnings` are JSON. */
interface Row {
  claims: Claims
  id: string
  eventId: string
  type: string
  test: boolean
  submittedAt: string | undefined
  data: string
  warnings: string
}

interface Verdict {
  verdict: string
  received: string
}

const rowOf = (claims: Claims, { type, test, submittedAt, data, warnings }: NewLead): Row => ({
  claims,
  id: newId(),
  eventId: newId(),
  type,
  test,
  submittedAt,
  data: JSON.stringify(data),
  warnings: JSON.stringify(warnings),
})

function openPool(max: number, settings = ''): pg.Pool {
  const types = {
    getTypeParser: (oid: number) => (oid === pg.types.builtins.TIMESTAMPTZ ? rfc3339 : pg.types.getTypeParser(oid)),
  }
  // The cast: what the driver asks of it is this one method.
  return new pg.Pool({
    ...connection,
    max,
    options: `-c timezone=UTC ${settings}`,
    types: types as pg.CustomTypesConfig,
  })
}

// '2026-11-23 09:15:01.123456+00', with fewer digits when they are zeros.
const rfc3339 = (text: string) =>
  `${text.slice(0, 10)}T${text
    .slice(11, -3)
    .padEnd(12, text.length > 22 ? '0' : '.000')
    .slice(0, 12)}Z`

const insertLead = `with judged as (
    select c.subject_type, c.subject_id, $7 or c.environment = 'test' as test, clock_timestamp() as moment,
      case when g.generation <> $1 then 'keys-newer'
           when c.disabled or c.epoch <> $4 or c.ends_at <= clock_timestamp() then 'token-invalid'
           when not c.scopes @> array['leads:create'] then 'scope-missing'
           else 'created' end as verdict
    from credentials c, signing_key_generation g where c.dealer_id = $2 and c.id = $3
  ), stored as (
    insert into leads (dealer_id, id, type, status, source_type, source_id, test, submitted_at, received_at, updated_at, version, data, warnings)
    select $2, $5, $8, 'new', subject_type, subject_id, test, $9, moment, moment, 1, $10, $11 from judged where verdict = 'created'
  ), ticked as (
    update dealer_clocks set seq = seq + 1 where dealer_id = $2 and exists (select from judged where verdict = 'created') returning seq
  ), recorded as (
    insert into events (dealer_id, seq, id, type, at, subject_type, subject_id, actor_type, actor_id, changed)
    select $2, t.seq, $6, 'lead.created', j.moment, 'lead', $5, j.subject_type, j.subject_id, '{}' from judged j, ticked t
  )
  select verdict, moment as received from judged`

async function storeOne(
  pool: pg.Pool,
  { claims, id, eventId, type, test, submittedAt, data, warnings }: Row,
): Promise<Verdict | undefined> {
  const values = [
    generation,
    claims.dealer_id,
    claims.credential_id,
    claims.epoch,
    id,
    eventId,
    test,
    type,
    submittedAt,
    data,
    warnings,
  ]
  return (await pool.query<Verdict>({ name: 'insert-lead', text: insertLead, values })).rows[0]
}

/**
 * The arrays of store_leads as PostgreSQL reads them; a JSON text becomes an element when it is put in quotes once
 * more.
 */
async function storeGroup(pool: pg.Pool, rows: readonly Row[]): Promise<Verdict[]> {
  const array = (element: (row: Row) => string | number | boolean) => {
    let text = '{'
    for (const row of rows) text += text.length === 1 ? element(row) : `,${element(row)}`
    return `${text}}`
  }
  const nothing = array(() => 'null')
  const values = [
    generation,
    false,
    array(({ claims }) => claims.dealer_id),
    array(({ claims }) => claims.credential_id),
    array(({ claims }) => claims.epoch),
    array(({ id }) => id),
    array(({ eventId }) => eventId),
    array(({ type }) => type),
    array(({ test }) => test),
    nothing,
    nothing,
    array(({ submittedAt }) => submittedAt ?? 'null'),
    array(({ data }) => JSON.stringify(data)),
    array(({ warnings }) => (warnings === '[]' ? '[]' : JSON.stringify(warnings))),
    nothing,
    nothing,
    nothing,
    nothing,
    array(() => '127.0.0.1'),
    nothing,
    '{}',
    '{}',
  ]
  const text =
    'select verdict, received from store_leads($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)'
  return (await pool.query<Verdict>({ name: 'create-leads', text, values })).rows
}

/** One group at a time; what comes meanwhile shares the next. */
function grouping(pool: pg.Pool): (row: Row) => Promise<Verdict | undefined> {
  let waiting: { row: Row; resolve: (verdict: Verdict | undefined) => void; reject: (reason: unknown) => void }[] = []
  let isBusy = false
  const next = async () => {
    isBusy = waiting.length > 0
    if (!isBusy) return
    const group = waiting.slice(0, groupLeadsMax)
    waiting = waiting.slice(groupLeadsMax)
    try {
      const verdicts = await storeGroup(
        pool,
        group.map(({ row }) => row),
      )
      group.forEach(({ resolve }, at) => resolve(verdicts[at]))
    } catch (error) {
      for (const { reject } of group) reject(error)
    }
    void next()
  }
  return (row) =>
    new Promise((resolve, reject) => {
      waiting.push({ row, resolve, reject })
      if (isBusy) return
      isBusy = true
      setImmediate(() => void next())
    })
}

async function verifier(): Promise<(token: string) => Claims> {
  const { keys } = await (await fetch(`${issuer}/.well-known/jwks.json`)).json()
  const key = createPublicKey({ key: keys.at(-1), format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  return createVerifier({
    key,
    algorithms: ['ES256'],
    allowedIss: issuer,
    allowedAud: issuer,
    checkTyp: 'at+jwt',
    requiredClaims: ['exp', 'iat'],
    cache: 20_000,
  })
}

async function serve(store: (row: Row) => Promise<Verdict | undefined>): Promise<void> {
  const verify = await verifier()
  const ajv = new Ajv2020({ strict: false })
  ajv.addSchema(parse(readFileSync(documentPath, 'utf8')), 'contract')
  const isLead = ajv.compile({ $ref: 'contract#/components/schemas/LeadInput' })
  const { hot } = openDatabase(connection, () => undefined)
  const recorder = openRecorder(hot, console.error, () => undefined)
  const log = pino({ base: { pid: process.pid } }, pino.destination({ dest: world.log, sync: false, minLength: 4096 }))
  const place = { country: 'DK', timeZone: 'Europe/Copenhagen' }

  const app = fastify({
    genReqId: () => randomUUID(),
    bodyLimit: 262_144,
    keepAliveTimeout: 65_000,
    exposeHeadRoutes: false,
  })
  app.decorateRequest('claims', null)
  app.addHook('onResponse', (req, reply, done) => {
    const durationMs = Math.round(reply.elapsedTime * 100) / 100
    log.info(
      { requestId: req.id, operationId: 'createLead', method: req.method, status: reply.statusCode, durationMs },
      'request',
    )
    const { claims, leadId } = req as Known
    if (claims)
      recorder.note({
        dealer_id: claims.dealer_id,
        api_key_id: inner(claims.sub),
        credential_id: claims.credential_id,
        request_id: req.id,
        operation: 'createLead',
        status: reply.statusCode,
        duration_ms: durationMs,
        address: req.ip,
        user_agent: req.headers['user-agent'] ?? null,
        lead_id: leadId ?? null,
        problem: null,
        violation: null,
      })
    done()
  })
  type Known = FastifyRequest & { claims?: Claims; leadId?: string }
  const authorise = (req: Known, reply: FastifyReply, done: () => void) => {
    const { authorization = '' } = req.headers
    try {
      const claims = verify(authorization.slice(7))
      if (!authorization.startsWith('Bearer ') || !claims.scope.split(' ').includes('leads:create'))
        throw new Error('scope')
      req.claims = { ...claims, dealer_id: inner(claims.dealer_id) }
      done()
    } catch {
      void reply.code(401).send()
    }
  }
  const accepted = {
    type: 'object',
    properties: {
      id: { type: 'string' },
      receivedAt: { type: 'string' },
      warnings: { type: 'array', items: { type: 'object', additionalProperties: true } },
      duplicate: { type: 'boolean' },
    },
  }
  app.route({
    method: 'POST',
    url: '/v1/leads',
    schema: { body: {}, response: { 201: accepted } },
    validatorCompiler: () => isLead,
    onRequest: authorise,
    handler: async (req: Known, reply) => {
      // The cast: the schema has been looked at, and so has the token.
      const lead = newLead(req.body as LeadInput, place)
      if (!lead.reachable) return reply.code(422).send()
      const row = rowOf(req.claims as Claims, lead)
      const verdict = await store(row)
      if (verdict?.verdict !== 'created') return reply.code(verdict?.verdict === 'scope-missing' ? 403 : 401).send()
      req.leadId = row.id
      const id = `lead_${row.id.replaceAll('-', '')}`
      void reply.code(201).headers({
        'x-request-id': req.id,
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        location: `/v1/leads/${id}/receipt`,
      })
      return { id, receivedAt: verdict.received, warnings: lead.warnings, duplicate: false }
    },
  })
  await app.ready()
  await app.listen({ port: 0, host: '127.0.0.1' })
  await ready(app.server)
}

/** Stores for as many seconds as a message says, then tells how many leads that were and how long each one took. */
async function callAll(pool: pg.Pool): Promise<void> {
  const store = grouping(pool)
  const verify = await verifier()
  const place = { country: 'DK', timeZone: 'Europe/Copenhagen' }
  const tokens = world.dealers
    .map(({ website }) => verify(website))
    .map((claims) => ({ ...claims, dealer_id: inner(claims.dealer_id) }))
  const leads = Array.from({ length: 256 }, (_, at) =>
    rowOf(tokens[at % tokens.length] as Claims, newLead(leadInput(at), place)),
  )
  const callFor = async (seconds: number) => {
    const deadline = performance.now() + seconds * 1000
    const tookMs: number[] = []
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        for (let at = caller; performance.now() < deadline; at += callers) {
          const started = performance.now()
          const verdict = await store({ ...(leads[at % leads.length] as Row), id: newId(), eventId: newId() })
          if (verdict?.verdict !== 'created') throw new Error(`a lead was ${verdict?.verdict}`)
          tookMs.push(performance.now() - started)
        }
      }),
    )
    process.send?.({ tookMs, seconds })
  }
  process.on('message', (seconds: number) => void callFor(seconds))
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

switch (process.argv[2]) {
  case 'single': {
    const pool = openPool(singleConnectionsMax, singleSettings)
    await serve((row) => storeOne(pool, row))
    break
  }
  case 'grouped':
    await serve(grouping(openPool(1)))
    break
  case 'bare':
    await callAll(openPool(1))
    break
  default:
    throw new Error('Which peer: single, grouped or bare')
}
