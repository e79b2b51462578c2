import type { Handlers } from '../../generated/server/express.gen.ts'
import { difference, recordChange } from '../audit/audit.ts'
import { cursorOf, inner } from '../ids.ts'
import { Problem } from '../problem.ts'
import { endCredentials } from '../tokens/store.ts'
import * as store from './store.ts'
import { userBody } from './user.ts'

export const listUsers: Handlers['listUsers'] = async ({ query, principal }, { db }) => {
  const { limit = 50, cursor } = query
  const found = await store.findUsers(db, principal.dealerId, { limit: limit + 1, ...(cursor && { before: inner(cursor) }) })
  const page = found.slice(0, limit)
  const last = page.at(-1)
  return { status: 200, body: { items: page.map(userBody), ...(found.length > limit && last && { nextCursor: cursorOf(last.id) }) } }
}

export const updateUser: Handlers['updateUser'] = ({ path, body, principal, http }, { write }) =>
  write(principal, async (trx, now) => {
    const { dealerId } = principal
    const id = inner(path.userId)
    const before = await store.findUser(trx, dealerId, id)
    if (!before) throw new Problem('not-found')

    const role = body.role ?? before.role
    const deactivated = body.deactivated ?? before.deactivated_at !== null
    const isAdminBefore = before.role === 'admin' && before.deactivated_at === null
    const isAdminAfter = role === 'admin' && !deactivated
    if (isAdminBefore && !isAdminAfter && (await store.countOtherActiveAdmins(trx, dealerId, id)) === 0) throw new Problem('last-admin')

    const after = { ...before, role, deactivated_at: deactivated ? (before.deactivated_at ?? now) : null }
    if (role !== before.role || deactivated !== (before.deactivated_at !== null)) {
      await store.saveUser(trx, dealerId, id, { role, deactivated_at: after.deactivated_at })
      await endCredentials(trx, dealerId, id)
      const changed = difference({ role: before.role, deactivated: before.deactivated_at !== null }, { role, deactivated })
      await recordChange(trx, principal, http, { action: 'user.updated', subject: { type: 'user', id, name: before.name }, ...changed }, now)
    }
    return { status: 200, body: userBody(after) }
  })
