import { createServer } from 'node:http'
import { pino } from 'pino'
import { handlersWith } from '../../src/handlers.ts'
import { createApp } from '../../src/app.ts'
import { browserHeaders } from '../../src/http/browser-headers.ts'
import { cookiesOf } from '../../src/cookies.ts'
import { openDatabase } from '../../src/db/pool.ts'
import { openFeed } from '../../src/feed/feed.ts'
import { openContract } from '../../src/http/contract.ts'
import { securityHandlers } from '../../src/http/security.ts'
import { newId, outer } from '../../src/ids.ts'
import { newLead } from '../../src/leads/input.ts'
import { uncounted } from '../../src/limits/meter.ts'
import { openIntake } from '../../src/leads/intake.ts'
import { secretsFrom } from '../../src/secrets.ts'
import { openClocks } from '../../src/tokens/clocks.ts'
import { openKeyring } from '../../src/tokens/keyring.ts'
import { liveness, writer } from '../../src/tokens/liveness.ts'
import { addCredential, addFingerprint } from '../../src/tokens/store.ts'
import { accessToken, tokenCheck } from '../../src/tokens/token.ts'
import { createDealer } from '../../src/users/operator.ts'
import { openAttempts } from '../../src/users/attempts.ts'
import { openPasswords } from '../../src/users/passwords.ts'
import { devices } from '../../src/users/device.ts'
import { openGuessing } from '../../src/users/guessing.ts'
import { atMost, compare, difference, generator, ready, report } from './harness.ts'
import { Problem } from '../../src/problem.ts'
import { openPlace } from './world.ts'

/**
 * What judging the credential costs a getLead, beside the same read with every credential believed. One embedded
 * PostgreSQL serves both.
 */
const issuer = 'http://localhost:3000'
const scopes = ['leads:create', 'leads:read'] as const

async function serve(kind: string, connection: Parameters<typeof openDatabase>[0]) {
  const { db, changes, hot, requireWritable } = openDatabase(connection, () => undefined)
  const secrets = secretsFrom([{ version: 'v1', bytes: Buffer.alloc(32, 7) }])
  await addFingerprint(db, secrets.currentVersion, secrets.fingerprint(secrets.currentVersion))
  const tokens = tokenCheck((kid) => keyring.publicKey(kid), issuer)
  const keyring = await openKeyring(db, secrets, tokens.forget)
  const judge =
    kind === 'judged'
      ? liveness(hot, db, keyring)
      : async () => ({ scopes: new Set<string>(scopes), environment: 'live' as const })
  const intake = openIntake(db, hot, keyring, judge, console.error)
  const contract = await openContract(securityHandlers(tokens.check), false)
  const feed = openFeed(db, hot, judge, console.error)
  const clocks = openClocks(changes)
  const handlers = handlersWith({
    db,
    clocks,
    hot,
    secrets,
    keyring,
    issuer,
    requireWritable,
    intake,
    meter: uncounted,
    feed,
    leadViolations: () => [],
    customerViolations: () => [],
    itemProblem: () => new Problem('internal'),
    cookies: cookiesOf(issuer),
    idleSeconds: 43_200,
    attempts: openAttempts(db, secrets),
    passwords: openPasswords((error) => console.error(error)),
    devices: devices(secrets, cookiesOf(issuer)),
    guessing: openGuessing(),
    passwordChanged: () => undefined,
    mailIsReady: false,
    isStopping: () => false,
    linkingLag: () => undefined,
    refusals: { note: () => undefined },
    unknownTried: () => undefined,
    notRemembered: () => undefined,
    report: console.error,
  })
  const app = createApp({
    contract,
    handlers,
    judge,
    meter: uncounted,
    services: { db, write: writer(clocks, judge, keyring) },
    documentation: (_req, _res, next) => next(),
    trustProxy: false,
    headers: browserHeaders('http://localhost'),
    cookies: cookiesOf(issuer),
    refusals: { note: () => undefined },
    recorder: { note: () => undefined, stop: async () => undefined },
    log: pino({ level: 'silent' }),
  })

  const { dealerId } = await createDealer(
    db,
    { name: kind, country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email: `${kind}@dealer.example`, name: 'Admin' },
  )
  const subject = { type: 'api_key' as const, id: newId() }
  const credentialId = newId()
  await db.transaction((trx) =>
    addCredential(trx, dealerId, { id: credentialId, subject, scopes, environment: 'live' }, new Date()),
  )
  const token = accessToken(
    { dealerId, subject, credentialId, epoch: 1, scopes },
    keyring.signing(new Date()),
    issuer,
    new Date(),
  )
  const verified = tokens.check(token, Date.now())
  const principal = { ...verified, needed: ['leads:create'], mustBeFresh: false, address: '127.0.0.1' }
  const lead = newLead(
    { customer: { name: { given: 'Anna' }, phones: [{ number: '32 12 34 56' }] } },
    { country: 'DK', timeZone: 'Europe/Copenhagen' },
  )
  const { lead_id } = await intake.store(principal, { lead })
  await ready(createServer(app).listen(0, '127.0.0.1'), { path: `/v1/leads/${outer('lead', lead_id)}`, token })
}

const [, , kind] = process.argv
if (kind) await serve(kind, JSON.parse(process.env['BENCH_CONNECTION'] ?? '{}'))
else {
  const connections = 64
  const place = await openPlace()
  process.env['BENCH_CONNECTION'] = JSON.stringify(place.connection)
  const measured = await compare(import.meta.filename, ['believed', 'judged'], {
    path: '',
    method: 'GET',
    connections,
    rounds: 4,
    seconds: 3,
    databasePid: place.databasePid,
  })
  await place.close()
  report('liveness', `getLead, ${connections} connections by ${generator}`, measured, [
    atMost('judged - believed, us CPU a request', difference(measured, 'cpuUs', 'judged', 'believed'), 15),
  ])
}
