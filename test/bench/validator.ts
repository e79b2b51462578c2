import { generateKeyPairSync } from 'node:crypto'
import express from 'express'
import { pino } from 'pino'
import type { Handlers } from '../../generated/server/express.gen.ts'
import { createApp } from '../../src/app.ts'
import { openContract } from '../../src/http/contract.ts'
import { securityHandlers } from '../../src/http/security.ts'
import { newId } from '../../src/ids.ts'
import { accessToken, tokenCheck } from '../../src/tokens/token.ts'
import { atMost, compare, difference, generator, ready, report } from './harness.ts'

/** What authorising, validating and dispatching a createLead costs without a database, beside bare Express with express.json(). */
const body = JSON.stringify({ type: 'test_drive', message: 'Can I try the EX30 on Saturday?', customer: { name: { given: 'Anna', family: 'Jensen' }, emails: [{ address: 'anna@customer.example' }], phones: [{ number: '32 12 34 56', type: 'mobile' }] }, vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', stockNumber: 'A-1042' }], locale: 'da-DK' })
const answer = { id: `lead_${'0'.repeat(32)}`, receivedAt: '2026-11-23T09:15:01.000Z', warnings: [], duplicate: false }
const issuer = 'http://localhost:3000'

async function serve(kind: string) {
  let token = ''
  let app = express()
  if (kind === 'bare') {
    app.use(express.json())
    app.post('/v1/leads', (_req, res) => void res.status(201).json(answer))
  } else {
    const key = { kid: 'k', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
    token = accessToken({ dealerId: newId(), subject: { type: 'api_key', id: newId() }, credentialId: newId(), epoch: 1, scopes: ['leads:create'] }, key, issuer, new Date())
    const contract = await openContract(securityHandlers(tokenCheck(() => key.publicKey, issuer).check), false)
    // The cast: only this one handler is called.
    const handlers = { createLead: async () => ({ status: 201, headers: { Location: `/v1/leads/${answer.id}/receipt` }, body: answer }) } as unknown as Handlers
    const nothing = () => Promise.reject(new Error('not used'))
    const log = kind === 'logging' ? pino(pino.destination('/dev/null')) : pino({ level: 'silent' })
    app = createApp({ contract, handlers, judge: nothing, services: { db: nothing as never, write: nothing }, documentation: (_req, _res, next) => next(), trustProxy: false, recorder: { note: () => undefined, stop: async () => undefined }, log })
  }
  await ready(app.listen(0, '127.0.0.1'), token === '' ? {} : { token })
}

if (process.argv[2]) await serve(process.argv[2])
else {
  const connections = 16
  const measured = await compare(import.meta.filename, ['bare', 'contract', 'logging'], { path: '/v1/leads', method: 'POST', body, connections, rounds: 4, seconds: 3 })
  report('validator', `createLead without a database, ${connections} connections by ${generator}`, measured, [atMost('contract - bare, us CPU a request', difference(measured, 'cpuUs', 'contract', 'bare'), 20)])
}
