import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Knex } from 'knex'
import pg from 'pg'
import { pino } from 'pino'
import { inject } from 'vitest'
import { firstIdAt, newId } from '../src/ids.ts'
import type { MailSettings } from '../src/outbox/sender.ts'
import type { MasterSecret } from '../src/secrets.ts'
import { openService, type Service } from '../src/service.ts'
import { createDealer, createUser } from '../src/users/operator.ts'

export const masters: readonly [MasterSecret] = [{ version: 'v1', bytes: Buffer.alloc(32, 7) }]
export const secretKeys = `v1:${Buffer.alloc(32, 7).toString('base64url')}`
export const password = 'a-password-for-tests'

/** A database of its own for this test file, made from the migrated template. */
export async function freshDatabase() {
  const { database: template, ...server } = inject('server')
  const database = `test_${randomUUID().replaceAll('-', '')}`
  const client = new pg.Client({ ...server, database: 'postgres' })
  await client.connect()
  await client.query(`create database ${database} template ${template}`)
  await client.end()
  return { ...server, database }
}

/** An id as it would have been made at a time. */
export const idAt = (at: Date): string => firstIdAt(at).slice(0, 14) + newId().slice(14)

/** As if leads had come so many milliseconds earlier: their ids tell the time, too. */
export async function ageLeads(db: Knex, ids: readonly string[], ms: number): Promise<void> {
  for (const id of ids) {
    const { received_at } = await db('leads').where({ id }).first('received_at')
    const at = new Date(received_at.getTime() - ms)
    const aged = firstIdAt(at).slice(0, 14) + id.slice(14)
    const originals = await db('lead_originals').where({ lead_id: id }).delete().returning('*')
    await db('leads').where({ id }).update({ id: aged, received_at: at })
    if (originals.length > 0) await db('lead_originals').insert(originals.map((each) => ({ ...each, lead_id: aged })))
    await db('events').where({ subject_id: id }).update({ subject_id: aged })
  }
}

export type Reply = { status: number; headers: Headers; text: string; body: any }
type Options = { token?: string; body?: unknown; headers?: Record<string, string>; raw?: string }

/** Sends one request; what is an object is sent as JSON. */
export async function send(url: string, method: string, { token, body, headers, raw }: Options = {}): Promise<Reply> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body !== undefined ? { body: JSON.stringify(body) } : raw !== undefined && { body: raw }),
  })
  // A stream of events goes on for as long as it is read.
  const isStream = response.headers.get('content-type') === 'text/event-stream'
  if (isStream) await response.body?.cancel()
  const text = isStream ? '' : await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: text !== '' && /json/.test(response.headers.get('content-type') ?? '') ? JSON.parse(text) : undefined,
  }
}

/**
 * The service in this process, on a database of its own, refusing to send an answer that the contract does not allow.
 * As `localhost` it has passkeys, which browsers keep for names alone.
 */
export async function startService(
  log = pino({ level: 'silent' }),
  mail?: MailSettings,
  more: Partial<Parameters<typeof openService>[0]> = {},
  host = '127.0.0.1',
) {
  // As long as the service keeps its own: after 5 s without a turn Node would reset what waits to be read.
  const server = createServer({ keepAliveTimeout: 65_000 }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const url = `http://${host}:${(server.address() as AddressInfo).port}`
  const connection = await freshDatabase()
  const service: Service = await openService({
    connection,
    masters,
    issuer: url,
    trustProxy: false,
    mail,
    documentation: (_req, _res, next) => next(),
    log,
    // Beside what most tests count, it would make events of its own.
    linksLeads: false,
    strictResponses: true,
    ...more,
  })
  server.on('request', service.app).on('checkContinue', service.app)
  const { db } = service.database

  const call = (method: string, path: string, options?: Options) => send(url + path, method, options)
  const signIn = async (email: string) => {
    const reply = await call('POST', '/v1/session', { body: { email, password } })
    if (reply.status !== 200) throw new Error(`sign-in answered ${reply.status} ${reply.text}`)
    return {
      token: reply.body.access_token as string,
      cookie: reply.headers.getSetCookie()[0]?.split(';')[0] ?? '',
      userId: reply.body.user.id as string,
    }
  }
  const createKey = async (
    token: string,
    key: { name?: string; kind: string; scopes?: string[]; environment?: string; sources?: string[] },
  ) => {
    const reply = await call('POST', '/v1/api-keys', { token, body: { name: `Key ${randomUUID()}`, ...key } })
    if (reply.status !== 201) throw new Error(`createApiKey answered ${reply.status} ${reply.text}`)
    return { id: reply.body.apiKey.id as string, secret: reply.body.secret as string }
  }
  const exchange = async (secret: string) => {
    const reply = await call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    if (reply.status !== 200) throw new Error(`exchangeApiKey answered ${reply.status} ${reply.text}`)
    return reply.body.access_token as string
  }
  /** A dealer with an admin, a salesperson, and a key of each kind. */
  const dealer = async (name: string) => {
    const admin = `admin@${name}.example`
    const sales = `sales@${name}.example`
    const { dealerId } = await createDealer(
      db,
      { name, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
      { email: admin, name: 'Admin', password },
    )
    await createUser(db, dealerId, 'sales', { email: sales, name: 'Sales', password })
    const { token, userId } = await signIn(admin)
    const website = await createKey(token, { name: 'Main Website Lead Form', kind: 'digital_requests' })
    const sources = ['dms', 'crm']
    const dms = await createKey(token, { name: 'DMS Sync', kind: 'extensive_integrations', sources })
    const leads = { website: await exchange(website.secret), dms: await exchange(dms.secret) }
    return {
      dealerId,
      admin: { email: admin, token, userId },
      sales: { email: sales, ...(await signIn(sales)) },
      website: { ...website, token: leads.website },
      dms: { ...dms, token: leads.dms },
    }
  }
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await service.close()
  }
  return { url, connection, service, db, call, signIn, createKey, exchange, dealer, close }
}

export type TestService = Awaited<ReturnType<typeof startService>>
export const lead = (more: object = {}) => ({
  type: 'test_drive',
  customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56' }] },
  ...more,
})
