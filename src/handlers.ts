import type { Handlers } from '../generated/server/express.gen.ts'
import {
  cancelApiKeyReplacement,
  createApiKey,
  deleteApiKey,
  deleteOwnApiKey,
  expireOldApiKeySecret,
  getApiKey,
  getOwnApiKey,
  getApiKeyUsage,
  listApiKeyRequests,
  listApiKeys,
  replaceApiKey,
  replaceOwnApiKey,
  restoreApiKey,
  updateApiKey,
} from './api-keys/handlers.ts'
import { listAuditEntries } from './audit/handlers.ts'
import { getDealer, updateDealer } from './dealers/handlers.ts'
import { type Follow, listEvents, streamEvents } from './feed/handlers.ts'
import {
  createLead,
  createLeadBatch,
  createLeadsFromAdf,
  getLead,
  getLeadCounts,
  getLeadOriginal,
  getLeadReceipt,
  type LeadIntake,
  listLeads,
  reconcileReferences,
  updateLead,
} from './leads/handlers.ts'
import { endOwnSession, exchangeSession, listOwnSessions, type Sessions, signIn, signOut } from './sessions/handlers.ts'
import { getNotifications, listMails, type Notices, updateNotifications } from './notices/handlers.ts'
import { listSources } from './sources/handlers.ts'
import { type Exchange, exchangeApiKey, getAuthorizationServerMetadata, getJwks, getMe } from './tokens/handlers.ts'
import {
  changeOwnPassword,
  createPasswordLink,
  createUser,
  listUsers,
  requestPasswordLink,
  type People,
  setPassword,
  updateUser,
} from './users/handlers.ts'

/** One handler for every operation of the contract; the compiler finds a gap. */
export function handlersWith(parts: Exchange & Sessions & LeadIntake & Follow & People & Notices): Handlers {
  const { db, secrets, keyring, issuer } = parts
  return {
    exchangeApiKey: exchangeApiKey(parts),
    getAuthorizationServerMetadata: getAuthorizationServerMetadata(issuer),
    getJwks: getJwks(keyring),
    signIn: signIn(parts),
    exchangeSession: exchangeSession(parts),
    signOut: signOut(parts),
    getMe,
    createLead: createLead(parts),
    createLeadBatch: createLeadBatch(parts),
    createLeadsFromAdf: createLeadsFromAdf(parts),
    reconcileReferences: reconcileReferences(parts),
    listLeads,
    getLeadCounts,
    getLead,
    updateLead,
    getLeadReceipt,
    getLeadOriginal,
    listEvents,
    streamEvents: streamEvents(parts),
    listSources,
    listApiKeys,
    createApiKey: createApiKey(secrets),
    getApiKey,
    listApiKeyRequests,
    getApiKeyUsage,
    updateApiKey,
    deleteApiKey,
    restoreApiKey,
    replaceApiKey: replaceApiKey(secrets),
    expireOldApiKeySecret,
    cancelApiKeyReplacement,
    getOwnApiKey,
    deleteOwnApiKey,
    replaceOwnApiKey: replaceOwnApiKey(secrets),
    listUsers,
    createUser: createUser(parts),
    createPasswordLink: createPasswordLink(parts),
    updateUser,
    setPassword: setPassword(parts),
    changeOwnPassword: changeOwnPassword(parts),
    listOwnSessions,
    endOwnSession,
    listAuditEntries,
    getNotifications: getNotifications(parts),
    updateNotifications: updateNotifications(parts),
    listMails,
    requestPasswordLink: requestPasswordLink(parts),
    getDealer,
    updateDealer,
    getHealth: async () => ({ status: 200, body: { status: 'ok' } }),
    getReadiness: async () => {
      await db.raw('select 1')
      return { status: 200, body: { status: 'ready' } }
    },
  }
}
