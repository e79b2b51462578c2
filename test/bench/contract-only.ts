import { uncounted } from '../../src/limits/meter.ts'
import { generateKeyPairSync } from 'node:crypto'
import type { RequestListener } from 'node:http'
import type { Logger } from 'pino'
import type { Handlers } from '../../generated/server/express.gen.ts'
import { createApp } from '../../src/app.ts'
import { browserHeaders } from '../../src/http/browser-headers.ts'
import { cookiesOf } from '../../src/cookies.ts'
import { openContract } from '../../src/http/contract.ts'
import { securityHandlers } from '../../src/http/security.ts'
import { newId, outer } from '../../src/ids.ts'
import type { Recorder } from '../../src/requests/recorder.ts'
import { accessToken, tokenCheck } from '../../src/tokens/token.ts'

const leadId = newId()
const issuer = 'http://localhost:3000'
export const answer = {
  id: outer('lead', leadId),
  receivedAt: '2026-11-23T09:15:01.000Z',
  warnings: [],
  duplicate: false,
}
export const body = JSON.stringify({
  type: 'test_drive',
  message: 'Can I try the EX30 on Saturday?',
  customer: {
    name: { given: 'Anna', family: 'Jensen' },
    emails: [{ address: 'anna@customer.example' }],
    phones: [{ number: '32 12 34 56', type: 'mobile' }],
  },
  vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', stockNumber: 'A-1042' }],
  locale: 'da-DK',
})

/** The server as it ships, but for its database: every createLead is answered alike. */
export async function contractOnly(log: Logger, recorder: Recorder): Promise<{ app: RequestListener; token: string }> {
  const key = { kid: 'k', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) }
  const token = accessToken(
    {
      dealerId: newId(),
      subject: { type: 'api_key', id: newId() },
      credentialId: newId(),
      epoch: 1,
      scopes: ['leads:create'],
    },
    key,
    issuer,
    new Date(),
  )
  const contract = await openContract(securityHandlers(tokenCheck(() => key.publicKey, issuer).check), false)
  const createLead: Handlers['createLead'] = async ({ http }) => {
    http.note({ leadId })
    return {
      status: 201,
      headers: { Location: `/v1/leads/${answer.id}/receipt` },
      body: { ...answer, duplicate: false },
    }
  }
  // The cast: only this one handler is called.
  const handlers = { createLead } as unknown as Handlers
  const nothing = () => Promise.reject(new Error('not used'))
  const app = createApp({
    contract,
    handlers,
    judge: nothing,
    meter: uncounted,
    services: { db: nothing as never, write: () => nothing },
    documentation: (_req, _res, next) => next(),
    trustProxy: false,
    headers: browserHeaders('http://localhost'),
    cookies: cookiesOf(issuer),
    recorder,
    refusals: { note: () => undefined },
    log,
  })
  return { app, token }
}
