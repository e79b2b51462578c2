import type { Handlers } from '../../generated/server/express.gen.ts'
import { outer } from '../ids.ts'
import { Problem } from '../problem.ts'
import { findCredentialEnd } from '../tokens/store.ts'
import { findSubject } from './store.ts'

export const getMe: Handlers['getMe'] = async ({ principal, standing }, { db }) => {
  const { dealerId, subject, credentialId, expiresAt } = principal
  const [row, end] = await Promise.all([
    findSubject(db, dealerId, subject),
    findCredentialEnd(db, dealerId, credentialId),
  ])
  if (!row) throw new Problem('token-invalid')
  return {
    status: 200,
    body: {
      subject: {
        type: subject.type,
        id: outer(subject.type === 'user' ? 'user' : 'key', subject.id),
        name: row.subject_name,
      },
      dealer: {
        id: outer('dealer', dealerId),
        name: row.dealer_name,
        country: row.country,
        timeZone: row.time_zone,
        language: row.language,
      },
      scopes: [...standing.scopes],
      expiresAt: new Date(Math.min(Number(expiresAt), Number(end ?? expiresAt))).toISOString(),
    },
  }
}
