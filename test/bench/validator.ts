import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import autocannon from 'autocannon'
import express from 'express'
import { pino } from 'pino'
import type { Handlers } from '../../generated/server/express.gen.ts'
import { createApp } from '../../src/app.ts'
import { openContract } from '../../src/http/contract.ts'
import { securityHandlers } from '../../src/http/security.ts'
import { newId } from '../../src/ids.ts'
import { accessToken, tokenCheck } from '../../src/tokens/token.ts'

/**
 * What authorising, validating and dispatching a createLead costs without a database, beside bare Express with express.json():
 * CPU of the server process (user and system), microseconds per request. Load by autocannon, 16 connections, from this process.
 */
const rounds = 4
const seconds = 3
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
    app = createApp({ contract, handlers, judge: nothing, services: { db: nothing as never, write: nothing }, documentation: (_req, _res, next) => next(), trustProxy: false, log })
  }
  const server = app.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  process.on('message', () => process.send?.(process.cpuUsage()))
  process.send?.({ port: typeof address === 'object' ? address?.port : 0, token })
}

async function measure() {
  const kinds = ['bare', 'contract', 'logging']
  const servers = await Promise.all(
    kinds.map(async (kind) => {
      const child = fork(import.meta.filename, [kind])
      const [{ port, token }] = await once(child, 'message')
      return { kind, child, port, token, costs: [] as number[], rates: [] as number[] }
    }),
  )
  for (let round = 0; round <= rounds; round++) {
    for (const server of servers) {
      const cpu = async () => {
        server.child.send('cpu')
        const [usage] = await once(server.child, 'message')
        return usage.user + usage.system
      }
      const before = await cpu()
      const headers = { 'content-type': 'application/json', ...(server.token && { authorization: `Bearer ${server.token}` }) }
      const { '2xx': done, non2xx } = await autocannon({ url: `http://127.0.0.1:${server.port}/v1/leads`, method: 'POST', connections: 16, duration: round === 0 ? 2 : seconds, headers, body })
      if (non2xx > 0) throw new Error(`${server.kind}: ${non2xx} answers were not 2xx`)
      if (round === 0) continue // warms up
      server.costs.push(((await cpu()) - before) / done)
      server.rates.push(done / seconds)
    }
  }
  const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
  const bare = median(servers[0]?.costs ?? [])
  for (const { kind, child, costs, rates } of servers) {
    console.log(`${kind.padEnd(9)} ${median(costs).toFixed(1)} us CPU a request (${(median(costs) - bare).toFixed(1)} more than bare), ${Math.round(median(rates))} requests/s`)
    child.kill()
  }
}

if (process.argv[2]) await serve(process.argv[2])
else await measure()
