import type { Knex } from 'knex'
import type { Handlers } from '../../generated/server/express.gen.ts'
import type { ApiKey, ApiKeyLimit, OldSecretEnds, Silence } from '../../generated/server/types.gen.ts'
import { countAudited } from '../audit/store.ts'
import { type Audited, type Change, difference } from '../audit/audit.ts'
import { inner, newId } from '../ids.ts'
import { pageOf } from '../page.ts'
import type { Http, Principal, Standing, Write } from '../operation.ts'
import { Problem } from '../problem.ts'
import type { Secrets } from '../secrets.ts'
import { type Limits, ofKeys } from '../limit.ts'
import { dayBefore, requireWithinDay } from '../limits/day.ts'
import { findLevels, findOwnLimits, saveOwnLimit } from '../limits/store.ts'
import { requireFreshSignIn } from '../tokens/fresh.ts'
import { scopeMissing } from '../tokens/liveness.ts'
import { inForce } from '../tokens/scope.ts'
import {
  disableCredentials,
  endCredentials,
  setCredentialEnd,
  setCredentialNetworks,
  setCredentialScopes,
} from '../tokens/store.ts'
import { apiKeyBody, type ApiKeyRow, grantedScopes, readsData, expiryToCome } from './api-key.ts'
import { allowedNetworks, networkText, widens } from './allowed-networks.ts'
import { granted } from './granted.ts'
import { type KeyText, maskOf } from './key-text.ts'
import {
  cancelled,
  endOf,
  graceSeconds,
  isAnyProlonged,
  isLater,
  oldEnding,
  replaced,
  restorableSeconds,
  type Secret,
} from './replacement.ts'
import { issueSecret, saveSecrets } from './key-secrets.ts'
import * as store from './store.ts'

/** What has stopped coming by some of the dealer's keys, by the ids of the keys. */
type SilencesOf = (db: Knex, dealerId: string, apiKeyIds: readonly string[]) => Promise<ReadonlyMap<string, Silence>>

export interface ApiKeys extends Audited {
  secrets: Secrets
  silencesOf: SilencesOf
  limits?: Limits | undefined
}

export const listApiKeys =
  ({ silencesOf }: ApiKeys): Handlers['listApiKeys'] =>
  async ({ query, principal }, { db }) => {
    const { dealerId } = principal
    const { kind, deleted = false } = query
    const body = await pageOf(
      query,
      (asked) => store.findApiKeys(db, dealerId, { ...(kind && { kind }), deleted, ...asked }),
      async (rows) => {
        const silences = await silencesOf(
          db,
          dealerId,
          rows.map(({ id }) => id),
        )
        return rows.map((row) => apiKeyBody(row, silences.get(row.id), principal.subject.type))
      },
    )
    return { status: 200, body }
  }

/** The secret is in this one answer and nowhere else: what is kept is its HMAC. */
export const createApiKey =
  (keys: ApiKeys): Handlers['createApiKey'] =>
  ({ body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const { name, kind, environment = 'live' } = body
      if (readsData(kind)) await requireFreshSignIn(trx, principal, now)
      const scopes = [...grantedScopes(kind, body.scopes)]
      const expiresAt = expiryToCome(body.expiresAt, now)
      const networks = allowedNetworks(body.allowedNetworks ?? [])
      const id = newId()
      if (await store.isNameTaken(trx, dealerId, name, id)) throw new Problem('api-key-name-taken')

      await store.addApiKey(
        trx,
        dealerId,
        {
          id,
          name,
          kind,
          environment,
          ...granted(kind, scopes),
          allowed_networks: networks,
          sources: body.sources ?? [],
          expires_at: expiresAt,
          created_by: principal.subject.id,
        },
        now,
      )
      const key = await issueSecret(
        trx,
        keys.secrets,
        dealerId,
        { id, kind, environment, scopes, disabled: false, expires_at: expiresAt },
        { role: 'current', graceSeconds: null },
        now,
      )
      await keys.recordChange(
        trx,
        principal,
        http,
        {
          action: 'api_key.created',
          subject: { type: 'api_key', id, name },
          after: {
            name,
            kind,
            environment,
            scopes,
            ...(networks.length > 0 && { allowedNetworks: networks.map(networkText) }),
            ...(body.sources && body.sources.length > 0 && { sources: body.sources }),
            ...(body.expiresAt && { expiresAt }),
          },
        },
        now,
      )
      return created(await shown(trx, keys, principal, id), key, principal)
    })

export const getApiKey =
  (keys: ApiKeys): Handlers['getApiKey'] =>
  async ({ path, principal }, { db }) => ({
    status: 200,
    body: await shown(db, keys, principal, inner(path.apiKeyId)),
  })

export const getApiKeyLimits =
  ({ limits }: ApiKeys): Handlers['getApiKeyLimits'] =>
  async ({ path, principal }, { db }) => {
    const { dealerId } = principal
    const { id } = await known(db, dealerId, inner(path.apiKeyId))
    if (!limits) return { status: 200, body: { isOn: false, items: [] } }
    const levels = await findLevels(db, dealerId, id, limits)
    const replacements = await Promise.all(
      (['api_key', 'user'] as const).map((actor) =>
        countAudited(db, dealerId, replacementsBy(actor, id), dayBefore(new Date())),
      ),
    )
    const mostReplacements = Math.max(...replacements.map(({ count }) => count))
    const items = ofKeys.map((name): ApiKeyLimit => {
      const level = levels.find((each) => each.name === name)
      const own = level && level.most !== null ? level : undefined
      const { most, perSecond } = own ? { most: own.most ?? 0, perSecond: own.per_second ?? undefined } : limits[name]
      return {
        name,
        ...(perSecond !== undefined && { perSecond }),
        most,
        used: name === 'replacements' ? mostReplacements : Math.ceil(level?.used ?? 0),
        isOwn: own !== undefined,
      }
    })
    return { status: 200, body: { isOn: true, items } }
  }

export const updateApiKey =
  (keys: ApiKeys): Handlers['updateApiKey'] =>
  ({ path, body, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const id = inner(path.apiKeyId)
      const before = await living(trx, dealerId, id)
      const { name, disabled } = body
      // What a key has that guards nothing stays with it until somebody chooses anew.
      const chosen = body.scopes && !isSame(body.scopes, inForce(before.scopes)) ? body.scopes : undefined
      if (name !== undefined && (await store.isNameTaken(trx, dealerId, name, id)))
        throw new Problem('api-key-name-taken')
      const scopes = chosen && [...grantedScopes(before.kind, chosen)]
      const expiry =
        body.expiresAt === undefined ? undefined : { expires_at: expiryToCome(body.expiresAt ?? undefined, now) }
      const isEnabled = before.disabled && disabled === false
      const isProlonged = expiry !== undefined && isLater(expiry.expires_at, before.expires_at)
      const networks = body.allowedNetworks && allowedNetworks(body.allowedNetworks)
      const isWider = networks !== undefined && widens(before.allowed_networks, networks)
      const speaksForMore = body.sources?.some((source) => !before.sources.includes(source)) === true
      if (readsData(before.kind) && (chosen || isEnabled || isProlonged || isWider || speaksForMore))
        await requireFreshSignIn(trx, principal, now)

      await store.saveApiKey(
        trx,
        dealerId,
        id,
        {
          ...(name !== undefined && { name }),
          ...(disabled !== undefined && { disabled }),
          ...(scopes && granted(before.kind, scopes)),
          ...(networks && { allowed_networks: networks }),
          ...(body.sources && { sources: body.sources }),
          ...expiry,
        },
        now,
      )
      const ownBefore = await findOwnLimits(trx, dealerId, id)
      if (body.limits) for (const name of ofKeys) await saveOwnLimit(trx, dealerId, id, name, body.limits[name] ?? null)
      if (disabled !== undefined && disabled !== before.disabled) await disableCredentials(trx, dealerId, id, disabled)
      if (networks) await setCredentialNetworks(trx, dealerId, id, networks)
      if (scopes) await setCredentialScopes(trx, dealerId, id, scopes)
      if (expiry)
        for (const secret of await store.findSecrets(trx, dealerId, id))
          await setCredentialEnd(trx, dealerId, secret.credentialId, endOf(secret, expiry.expires_at))

      const after = await living(trx, dealerId, id)
      const ownAfter = await findOwnLimits(trx, dealerId, id)
      const changed = difference({ ...audited(before), limits: ownBefore }, { ...audited(after), limits: ownAfter })
      if (Object.keys(changed.after).length > 0)
        await recordKeyChange(keys, trx, principal, http, 'api_key.updated', after, now, changed)
      return { status: 200, body: await shown(trx, keys, principal, id) }
    })

export const deleteApiKey =
  (keys: ApiKeys): Handlers['deleteApiKey'] =>
  ({ path, query, principal, http }, { write }) =>
    remove(keys, write, principal, http, inner(path.apiKeyId), query.reason)

/** Its secrets work again, as far as they would still; tokens from before stay dead, since their epoch is over. */
export const restoreApiKey =
  (keys: ApiKeys): Handlers['restoreApiKey'] =>
  ({ path, principal, http }, { write }) =>
    write(principal, async (trx, now) => {
      const { dealerId } = principal
      const id = inner(path.apiKeyId)
      const deleted = await store.findApiKey(trx, dealerId, id)
      if (!deleted?.deleted_at) throw new Problem('not-found')
      if (now.getTime() - deleted.deleted_at.getTime() > restorableSeconds * 1000) throw new Problem('restore-too-late')
      if (await store.isNameTaken(trx, dealerId, deleted.name, id))
        throw new Problem('api-key-name-taken', 'Another key has this name by now. Rename that one first.')
      if (readsData(deleted.kind)) await requireFreshSignIn(trx, principal, now)

      await store.saveApiKey(trx, dealerId, id, { deleted_at: null, delete_reason: null }, now)
      for (const secret of await store.findSecrets(trx, dealerId, id))
        await setCredentialEnd(trx, dealerId, secret.credentialId, endOf(secret, deleted.expires_at))
      await recordKeyChange(keys, trx, principal, http, 'api_key.restored', deleted, now)
      return { status: 200, body: await shown(trx, keys, principal, id) }
    })

export const replaceApiKey =
  (keys: ApiKeys): Handlers['replaceApiKey'] =>
  ({ path, body, principal, http }, { write }) =>
    replace(keys, write, principal, http, inner(path.apiKeyId), body.oldEnds, body.newCounts)

export const expireOldApiKeySecret =
  (keys: ApiKeys): Handlers['expireOldApiKeySecret'] =>
  ({ path, body, principal, http }, { write }) => {
    const { oldEnds = 'after_24_hours' } = body
    return changeSecrets(
      keys,
      write,
      principal,
      http,
      inner(path.apiKeyId),
      { action: 'api_key.old_secret_ends', after: { oldEnds } },
      (secrets, now) => oldEnding(secrets, graceSeconds[oldEnds], now),
    )
  }

export const cancelApiKeyReplacement =
  (keys: ApiKeys): Handlers['cancelApiKeyReplacement'] =>
  ({ path, principal, http }, { write }) =>
    changeSecrets(
      keys,
      write,
      principal,
      http,
      inner(path.apiKeyId),
      { action: 'api_key.replacement_cancelled' },
      cancelled,
    )

export const getOwnApiKey =
  (keys: ApiKeys): Handlers['getOwnApiKey'] =>
  async ({ principal }, { db }) => {
    const { id } = await living(db, principal.dealerId, ownId(principal))
    return { status: 200, body: await shown(db, keys, principal, id) }
  }

export const deleteOwnApiKey =
  (keys: ApiKeys): Handlers['deleteOwnApiKey'] =>
  ({ query, principal, http }, { write }) =>
    remove(keys, write, principal, http, principal.subject.id, query.reason)

/** Only on first use: a machine whose answer is lost must not be locked out. */
export const replaceOwnApiKey =
  (keys: ApiKeys): Handlers['replaceOwnApiKey'] =>
  ({ body, principal, http }, { write }) =>
    replace(keys, write, principal, http, principal.subject.id, body.oldEnds, 'on_first_use')

function remove(keys: ApiKeys, write: Write, principal: Principal, http: Http, id: string, said: string | undefined) {
  // PostgreSQL stores no NUL.
  const reason = said?.replaceAll('\0', '\uFFFD')
  return write(principal, async (trx, now, standing) => {
    const { dealerId } = principal
    const key = await living(trx, dealerId, id)
    requireWhole(key, principal, standing)

    await store.saveApiKey(trx, dealerId, id, { deleted_at: now, delete_reason: reason ?? null }, now)
    await endCredentials(trx, dealerId, id)
    await recordKeyChange(keys, trx, principal, http, 'api_key.deleted', key, now, { reason })
    return { status: 204 } as const
  })
}

function replace(
  keys: ApiKeys,
  write: Write,
  principal: Principal,
  http: Http,
  id: string,
  oldEnds: OldSecretEnds = 'after_24_hours',
  newCounts: 'on_first_use' | 'at_once' = 'on_first_use',
) {
  return write(principal, async (trx, now, standing) => {
    const { dealerId } = principal
    const key = await living(trx, dealerId, id)
    requireWhole(key, principal, standing)
    if (readsData(key.kind)) await requireFreshSignIn(trx, principal, now)
    if (keys.limits) {
      const limit = (await findOwnLimits(trx, dealerId, id))['replacements'] ?? keys.limits.replacements
      const done = replacementsBy(principal.subject.type, id)
      await requireWithinDay(trx, limit, dealerId, http, 'replacements', done, now)
    }
    const before = await store.findSecrets(trx, dealerId, id)
    const { secrets: after, added } = replaced(before, graceSeconds[oldEnds], newCounts, now)

    await saveSecrets(trx, dealerId, before, after, key.expires_at)
    const text = await issueSecret(trx, keys.secrets, dealerId, key, added, now)
    await recordKeyChange(keys, trx, principal, http, 'api_key.replaced', key, now, {
      after: { oldEnds, newCounts, mask: maskOf(text) },
    })
    return created(await shown(trx, keys, principal, id), text, principal)
  })
}

// Apart: a thief with the key must not use up what its people need to lock him out.
const replacementsBy = (actorType: 'api_key' | 'user', subjectId: string) =>
  ({ actions: ['api_key.replaced'], actorType, subjectId }) as const

/**
 * A token that was narrowed does not act on its own key: with a new secret it would buy itself what it lacks.
 *
 * @throws {Problem} `scope-missing`
 */
function requireWhole(key: ApiKeyRow, { subject }: Principal, { scopes }: Standing): void {
  if (subject.type !== 'api_key' || subject.id !== key.id) return
  const missing = inForce(key.scopes).filter((scope) => !scopes.has(scope))
  if (missing.length > 0) throw scopeMissing(missing)
}

function changeSecrets(
  keys: ApiKeys,
  write: Write,
  principal: Principal,
  http: Http,
  id: string,
  change: Pick<Change, 'action' | 'after'>,
  rule: (secrets: readonly Secret[], now: Date) => readonly Secret[],
) {
  return write(principal, async (trx, now) => {
    const { dealerId } = principal
    const key = await living(trx, dealerId, id)
    const before = await store.findSecrets(trx, dealerId, id)
    const after = rule(before, now)
    if (readsData(key.kind) && isAnyProlonged(before, after)) await requireFreshSignIn(trx, principal, now)
    await saveSecrets(trx, dealerId, before, after, key.expires_at)
    await recordKeyChange(keys, trx, principal, http, change.action, key, now, change)
    return { status: 200, body: await shown(trx, keys, principal, id) } as const
  })
}

/** The key, be it deleted: what became of it, and who still tries it, can be seen. */
async function known(db: Knex, dealerId: string, id: string): Promise<ApiKeyRow> {
  const found = await store.findApiKey(db, dealerId, id)
  if (!found) throw new Problem('not-found')
  return found
}

async function living(db: Knex, dealerId: string, id: string): Promise<ApiKeyRow> {
  const found = await known(db, dealerId, id)
  if (found.deleted_at) throw new Problem('not-found')
  return found
}

function ownId({ subject }: Principal): string {
  if (subject.type !== 'api_key') throw new Problem('not-found')
  return subject.id
}

const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.toSorted().join() === others.toSorted().join()

const audited = ({ name, disabled, scopes, expires_at, allowed_networks, sources }: ApiKeyRow) => ({
  name,
  disabled,
  scopes: inForce(scopes),
  expiresAt: expires_at,
  allowedNetworks: allowed_networks.map(networkText),
  sources,
})

async function recordKeyChange(
  { recordChange }: ApiKeys,
  trx: Knex.Transaction,
  principal: Principal,
  http: Http,
  action: Change['action'],
  { id, name }: ApiKeyRow,
  now: Date,
  more: Pick<Change, 'before' | 'after' | 'reason'> = {},
): Promise<void> {
  await recordChange(trx, principal, http, { action, subject: { type: 'api_key', id, name }, ...more }, now)
}

function created(apiKey: ApiKey, { text }: KeyText, { subject }: Principal) {
  // Where whoever asked can read it.
  const Location = subject.type === 'api_key' ? '/v1/api-key' : `/v1/api-keys/${apiKey.id}`
  return {
    status: 201,
    headers: { Location, 'Cache-Control': 'no-store' },
    body: { apiKey, secret: text },
  } as const
}

/** The key as it is now, be it deleted. @throws {Problem} `not-found` */
async function shown(db: Knex, { silencesOf }: ApiKeys, { dealerId, subject }: Principal, id: string): Promise<ApiKey> {
  const row = await known(db, dealerId, id)
  return apiKeyBody(row, (await silencesOf(db, dealerId, [id])).get(id), subject.type)
}
