import type { Knex } from 'knex'
import { outer } from '../ids.ts'
import { findLeadsById } from '../leads/store.ts'
import { momentOf } from '../moment.ts'
import { linkIn } from '../outbox/sealed-link.ts'
import type { Letter, MailRow } from '../outbox/mail.ts'
import type { Secrets } from '../secrets.ts'
import { findUser } from '../users/store.ts'
import { letterOf, type Matter } from './letter.ts'
import { languageOf } from './preferences.ts'
import { findDeeds, findKey, findReader } from './store.ts'

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

/** What was done, the latest first. */
const deedsOf = (db: Knex, { dealer_id, data }: MailRow) =>
  findDeeds(db, dealer_id, data.auditIds ?? (data.auditId === undefined ? [] : [data.auditId]))

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
      const deeds = await deedsOf(db, mail)
      return deeds.length === 0
        ? undefined
        : {
            kind,
            count: data.count ?? 1,
            deeds: deeds.map(({ subject_name, subject_id, actor_name, address, at }) => ({
              key: subject_name,
              keyId: outer('key', subject_id),
              by: actor_name,
              address,
              at,
            })),
          }
    }
    case 'key_widened': {
      const deeds = await deedsOf(db, mail)
      return deeds.length === 0
        ? undefined
        : {
            kind,
            count: data.count ?? 1,
            keys: deeds.map(({ subject_name, subject_id, before, after, at }) => ({
              key: subject_name,
              keyId: outer('key', subject_id),
              scopes: (after.scopes ?? []).filter((scope) => !before.scopes?.includes(scope)),
              at,
            })),
          }
    }
    case 'admin_added': {
      const deeds = await deedsOf(db, mail)
      return deeds.length === 0
        ? undefined
        : {
            kind,
            count: data.count ?? 1,
            deeds: deeds.map(({ action, subject_name, actor_name, address, at }) => ({
              name: subject_name,
              isInvited: action === 'user.created',
              by: actor_name,
              address,
              at,
            })),
          }
    }
    case 'new_device': {
      const deeds = await deedsOf(db, mail)
      return deeds.length === 0
        ? undefined
        : {
            kind,
            count: data.count ?? 1,
            signIns: deeds.map(({ address, at, after }) => ({ address, at, browser: after.userAgent })),
          }
    }
    case 'second_factor_missing':
      return { kind, count: data.count ?? 1, address: data.address, at: momentOf(data.at ?? never) }
    case 'many_failures': {
      const { about = '', count = 0, addresses = 1 } = data
      const common = { kind, count, addresses, since: momentOf(data.since ?? never), at: momentOf(data.at ?? never) }
      if (data.aboutType === 'address') return { ...common, of: 'address', name: about }
      if (data.aboutType === 'api_key') {
        const key = await findKey(db, dealerId, about)
        return key && { ...common, of: 'key', name: key.name, keyId: outer('key', about) }
      }
      const user = await findUser(db, dealerId, about)
      return user && { ...common, of: about === mail.user_id ? 'own-account' : 'account', name: user.name }
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
    // It is tried again later, by a process that knows it.
    default:
      throw new Error(`Only a newer version writes mails of the kind ${String(kind)}`)
  }
}
