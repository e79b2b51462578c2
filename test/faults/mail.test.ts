import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Database, openDatabase } from '../../src/db/pool.ts'
import { inner } from '../../src/ids.ts'
import { addMails, giveUpLostMails } from '../../src/outbox/store.ts'
import { amount } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { freshDatabase } from '../service.ts'
import { endServers, onDatabase, openDealer, pause, type Server, startServer } from './processes.ts'

const kills = amount(5, 80)
const mailsPerKill = 25
const mailsWanted = kills * mailsPerKill
const takenShareMax = 0.6
const processesCount = 2
const answerMs = 60

/** How often the mail server said 250 to each Message-ID, be it to nobody. */
const taken = new Map<string, number>()
const mailServer = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  logger: false,
  onData: (stream, _session, done) => {
    text(stream).then(async (content) => {
      const id = /^Message-ID: (\S+)/m.exec(content)?.[1] ?? ''
      taken.set(id, (taken.get(id) ?? 0) + 1)
      await pause(answerMs)
      done()
    }, done)
  },
})
// A sender that was killed is no fault of the mail server.
mailServer.on('error', () => undefined)

let database: Database
let env: Record<string, string>
let servers: Server[]
const random = randomFrom(seed)

beforeAll(async () => {
  mailServer.listen(0, '127.0.0.1')
  await once(mailServer.server, 'listening')
  const connection = await freshDatabase()
  database = openDatabase(connection, () => undefined)
  env = {
    ...onDatabase(connection, 'http://localhost:3000'),
    SMTP_URL: `smtp://127.0.0.1:${(mailServer.server.address() as AddressInfo).port}`,
    MAIL_FROM: 'mail@service.example',
    LOG_LEVEL: 'fatal',
  }
  servers = [await startServer(env)]
  while (servers.length < processesCount) servers.push(await startServer(env))
})
afterAll(async () => {
  await endServers()
  await database.close()
  await new Promise<void>((resolve) => void mailServer.close(resolve))
})

it('sends no mail twice and loses none in silence when its senders are killed', async () => {
  const { db } = database
  const { dealerId } = await openDealer(db, servers[0]?.url ?? '', 'mail')
  const { id: userId } = await db('users').where({ dealer_id: dealerId }).first('id')
  const { id: auditId } = await db('audit_entries')
    .where({ dealer_id: dealerId, action: 'api_key.created' })
    .first('id')
  await db('users').where({ dealer_id: dealerId }).update({ mail_keys: false, mail_unanswered_lead: false })
  const due = () => db('mails').where({ dealer_id: dealerId, state: 'due' })
  const takenCount = () => [...taken.values()].reduce((sum, times) => sum + times, 0)

  for (let kill = 0; kill < kills; kill++) {
    await addMails(
      db,
      dealerId,
      Array.from({ length: mailsPerKill }, (_, at) => ({
        user_id: inner(`user_${userId.replaceAll('-', '')}`),
        kind: 'key_created' as const,
        data: { auditId },
        dedupe: `mail ${kill} ${at}`,
      })),
    )
    const wanted = takenCount() + 1 + Math.floor(random() * mailsPerKill * takenShareMax)
    await until(() => takenCount() >= wanted)
    await pause(random() * answerMs)
    const at = Math.floor(random() * servers.length)
    await servers[at]?.end('SIGKILL')
    // What the killed one had taken is not waited for; that this may take it from a living one, too, must do no harm.
    await due().update({ due_at: db.raw('clock_timestamp()') })
    servers[at] = await startServer(env)
  }
  await until(async () => (await due()).length === 0)
  // The living ones finish what they have in hand; what is being handed over after that was killed.
  await endServers()
  await db('mails')
    .where({ dealer_id: dealerId, state: 'handing_over' })
    .update({ changed_at: db.raw("clock_timestamp() - interval '6 minutes'") })
  await giveUpLostMails(db)

  // Without what the service told of the dealer's own keys before that was switched off.
  const rows = await db('mails').where({ dealer_id: dealerId }).whereLike('dedupe', 'mail %').select('id', 'state')
  const times = (id: string) => taken.get(`<${id}@localhost>`) ?? 0
  const of = (state: string) => rows.filter((row) => row.state === state)
  expect(rows).toHaveLength(mailsWanted)
  expect(rows.filter(({ id }) => times(id) > 1)).toEqual([])
  expect(of('sent').filter(({ id }) => times(id) !== 1)).toEqual([])
  expect(of('sent').length + of('unknown').length).toBe(mailsWanted)
  const reached = of('unknown').filter(({ id }) => times(id) === 1).length
  console.log(
    `${mailsWanted} mails, ${kills} kills of a sender: ${of('sent').length} sent once, ${of('unknown').length} unknown (${reached} of them taken by the mail server), 0 twice`,
  )
})
