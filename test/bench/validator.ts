import { createServer } from 'node:http'
import express from 'express'
import { pino } from 'pino'
import { answer, body, contractOnly } from './contract-only.ts'
import { atMost, compare, difference, generator, ready, report } from './harness.ts'

/**
 * What authorising, validating and dispatching a createLead costs without a database, beside bare Express with
 * express.json().
 */
async function serve(kind: string) {
  if (kind === 'bare') {
    const app = express()
    app.use(express.json())
    app.post('/v1/leads', (_req, res) => void res.status(201).json(answer))
    return ready(createServer(app).listen(0, '127.0.0.1'))
  }
  const { app, token } = await contractOnly(
    kind === 'logging' ? pino(pino.destination('/dev/null')) : pino({ level: 'silent' }),
    { note: () => undefined, stop: async () => undefined },
  )
  await ready(createServer(app).listen(0, '127.0.0.1'), { token })
}

if (process.argv[2]) await serve(process.argv[2])
else {
  const connections = 16
  const measured = await compare(import.meta.filename, ['bare', 'contract', 'logging'], {
    path: '/v1/leads',
    method: 'POST',
    body,
    connections,
    rounds: 4,
    seconds: 3,
  })
  report('validator', `createLead without a database, ${connections} connections by ${generator}`, measured, [
    atMost('contract - bare, us CPU a request', difference(measured, 'cpuUs', 'contract', 'bare'), 20),
  ])
}
