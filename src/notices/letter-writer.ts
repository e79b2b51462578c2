import type { Knex } from 'knex'
import { outer } from '../ids.ts'
import { findLeadsById } from '../leads/store.ts'
import { momentOf } from '../moment.ts'
import { linkIn } from '../outbox/sealed-link.ts'
import type { Letter, MailRow } from '../outbox/mail.ts'
import type { Secrets } from '../secrets.ts'
import { letterOf, type Matter } from './letter.ts'
import { languageOf } from './preferences.ts'
import { findDeed, findKey, findReader } from './store.ts'

const never = '1970-01-01T00:00:00Z'

/**
 * Writes a mail in the language of its reader; undefined when nobody is there to read it, or there is nothing to say
 * any more.
 */
export function letterWriter(db: Knex, secrets: Secrets, publicUrl: string) {
  return async (mail: MailRow): Promise<Letter | undefined> => {
    const reader = await findReader(db, mail.dealer_id, mail.user_id)
    if (!reader || reader.deactivated_at) return undefined
    const matter = await matterOf(db, secrets, mail)
    const { name, email, dealer_name: dealer, time_zone: timeZone } = reader
    return (
      matter && {
        to: { name, address: email },
        ...letterOf(matter, { name, dealer, language: languageOf(reader), timeZone }, publicUrl),
      }
    )
  }
}

/** What a mail says, as things are now; undefined when there is nothing to say any more. */
async function matterOf(db: Knex, secrets: Secrets, mail: MailRow): Promise<Matter | undefined> {
  const { dealer_id: dealerId, kind, data } = mail
  switch (kind) {
    case 'new_leads':
    case 'unanswered_leads': {
      const rows = await findLeadsById(db, dealerId, data.leadIds ?? [])
      const standing = rows
        .filter(({ status }) => kind === 'new_leads' || status === 'new')
        .toSorted((one, other) => (one.id < other.id ? -1 : 1))
      if (standing.length === 0) return undefined
      const leads = standing.map(({ id, type, data: { vehiclesOfInterest }, source_name }) => ({
        id: outer('lead', id),
        type,
        vehicle: [vehiclesOfInterest[0]?.make, vehiclesOfInterest[0]?.model].filter(Boolean).join(' '),
        source: source_name,
      }))
      return {
        kind,
        count: (data.count ?? 0) - (rows.length - standing.length),
        leads,
        targetMinutes: data.targetMinutes ?? 0,
      }
    }
    case 'key_created':
    case 'key_replaced':
    case 'key_deleted':
    case 'key_disabled': {
      const deed = await findDeed(db, dealerId, data.auditId ?? '')
      return (
        deed && {
          kind,
          key: deed.subject_name,
          keyId: outer('key', deed.subject_id),
          by: deed.actor_name,
          address: deed.address,
          at: deed.at,
        }
      )
    }
    case 'key_widened': {
      const deed = await findDeed(db, dealerId, data.auditId ?? '')
      const { scopes: before = [] } = deed?.before ?? {}
      return (
        deed && {
          kind,
          key: deed.subject_name,
          keyId: outer('key', deed.subject_id),
          scopes: (deed.after.scopes ?? []).filter((scope) => !before.includes(scope)),
          at: deed.at,
        }
      )
    }
    case 'key_expires': {
      const key = await findKey(db, dealerId, data.keyId ?? '')
      return key?.expires_at && !key.deleted_at
        ? { kind, key: key.name, keyId: outer('key', data.keyId ?? ''), expiresAt: key.expires_at }
        : undefined
    }
    case 'source_quiet': {
      const key = await findKey(db, dealerId, data.keyId ?? '')
      return key && !key.deleted_at
        ? {
            kind,
            key: key.name,
            keyId: outer('key', data.keyId ?? ''),
            since: momentOf(data.since ?? never),
            expected: data.expected ?? 0,
          }
        : undefined
    }
    case 'passkeys_changed':
      return data.deed === undefined
        ? undefined
        : {
            kind,
            deed: data.deed,
            name: data.name,
            by: data.by ?? '',
            address: data.address,
            at: momentOf(data.at ?? never),
          }
    case 'invitation':
    case 'forgotten_password': {
      const url = linkIn(mail, secrets)
      return url === undefined ? undefined : { kind, url, expiresAt: momentOf(data.expiresAt ?? never) }
    }
  }
}
