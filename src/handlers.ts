import type { Handlers } from '../generated/server/express.gen.ts'
import { type Exchange, exchangeApiKey } from './api-keys/exchange.ts'
import {
  type ApiKeys,
  cancelApiKeyReplacement,
  createApiKey,
  deleteApiKey,
  deleteOwnApiKey,
  expireOldApiKeySecret,
  getApiKey,
  getApiKeyLimits,
  getOwnApiKey,
  listApiKeys,
  replaceApiKey,
  replaceOwnApiKey,
  restoreApiKey,
  updateApiKey,
} from './api-keys/handlers.ts'
import { changeRecorder } from './audit/audit.ts'
import { listAuditEntries } from './audit/handlers.ts'
import {
  createCustomer,
  type Customers,
  getCustomer,
  getCustomerSources,
  listCustomerLeads,
  listCustomers,
  listSuggestions,
  mergeCustomers,
  rejectSuggestion,
  searchCustomers,
  unmergeCustomer,
  updateCustomer,
  upsertCustomerByReference,
  upsertCustomers,
  withdrawEdit,
  withdrawReference,
} from './customers/handlers.ts'
import { leadsQueryOf } from './customers/searching.ts'
import { findMembers } from './customers/store.ts'
import { getDealer, updateDealer } from './dealers/handlers.ts'
import { type Follow, listEvents, streamEvents } from './feed/handlers.ts'
import {
  countLeads,
  getLead,
  getLeadCounts,
  getLeadOriginal,
  getLeadReceipt,
  listLeads,
  type OfCustomers,
  searchLeads,
  updateLead,
} from './leads/handlers.ts'
import type { Linker } from './linking/linker.ts'
import {
  createLead,
  createLeadBatch,
  createLeadsFromAdf,
  type LeadIntake,
  reconcileReferences,
} from './leads/intake-handlers.ts'
import {
  addPasskey,
  createPasskeyChallenge,
  createPasskeyOptions,
  createRecoveryCodes,
  deletePasskey,
  listOwnPasskeys,
  resetPasskeys,
  setSecondFactor,
  type SignedInWith,
  updatePasskey,
} from './passkeys/handlers.ts'
import { getApiKeyUsage, listApiKeyAddresses, listApiKeyRequests } from './requests/handlers.ts'
import {
  endOwnSession,
  exchangeSession,
  listOwnSessions,
  type Sessions,
  signIn,
  signInWithPasskey,
  signOut,
} from './sessions/handlers.ts'
import {
  endSessionsOfPasskey,
  endSessionsOfPassword,
  isSessionOfPassword,
  strengthenSession,
  weakenSession,
} from './sessions/store.ts'
import { getNotifications, listMails, type Notices, updateNotifications } from './notices/handlers.ts'
import { listSources } from './sources/handlers.ts'
import { silencesOf } from './sources/silences.ts'
import { Problem } from './problem.ts'
import { getMe } from './subjects/handlers.ts'
import { findSubjectName } from './subjects/store.ts'
import { getAuthorizationServerMetadata, getJwks } from './tokens/handlers.ts'
import {
  changeOwnPassword,
  createPasswordLink,
  createUser,
  getUser,
  listUsers,
  releaseUser,
  requestPasswordLink,
  type People,
  setPassword,
  updateUser,
} from './users/handlers.ts'

interface Ready {
  /** @throws {Error} the reason why nothing can be written at this moment */
  requireWritable(): Promise<void>
}

type Parts = Exchange &
  Sessions &
  LeadIntake &
  Customers &
  OfCustomers &
  Follow &
  People &
  Notices &
  ApiKeys &
  SignedInWith &
  Ready
/** What a room asks of one above it, which it must not know, is handed to it here. */
const fromAbove = {
  customerIdsOf: findMembers,
  leadsQueryOf,
  recordChange: changeRecorder(findSubjectName),
  silencesOf,
  endSessionsOfPasskey,
  endSessionsOfPassword,
  isSessionOfPassword,
  strengthenSession,
  weakenSession,
}

interface Lifecycle {
  /** Whether this process was told to end, and still serves. */
  isStopping(): boolean
  /** How far it is behind that leads are given to their customers; undefined where that is not done. */
  linkingLag(): ReturnType<Linker['lag']> | undefined
}

/** One handler for every operation of the contract; the compiler finds a gap. */
export function handlersWith(given: Omit<Parts, keyof typeof fromAbove> & Lifecycle): Handlers {
  const parts: Parts = { ...given, ...fromAbove }
  const { keyring, issuer, requireWritable } = parts
  return {
    exchangeApiKey: exchangeApiKey(parts),
    getAuthorizationServerMetadata: getAuthorizationServerMetadata(issuer),
    getJwks: getJwks(keyring),
    signIn: signIn(parts),
    createPasskeyChallenge: createPasskeyChallenge(parts),
    signInWithPasskey: signInWithPasskey(parts),
    exchangeSession: exchangeSession(parts),
    signOut: signOut(parts),
    getMe,
    createLead: createLead(parts),
    createLeadBatch: createLeadBatch(parts),
    createLeadsFromAdf: createLeadsFromAdf(parts),
    reconcileReferences: reconcileReferences(parts),
    listLeads: listLeads(parts),
    searchLeads: searchLeads(parts),
    getLeadCounts,
    countLeads: countLeads(parts),
    getLead,
    updateLead: updateLead(parts),
    getLeadReceipt,
    getLeadOriginal,
    listCustomers,
    createCustomer: createCustomer(parts),
    upsertCustomers: upsertCustomers(parts),
    searchCustomers: searchCustomers(parts),
    upsertCustomerByReference: upsertCustomerByReference(parts),
    withdrawReference: withdrawReference(parts),
    getCustomer,
    updateCustomer: updateCustomer(parts),
    withdrawEdit: withdrawEdit(parts),
    getCustomerSources,
    listCustomerLeads,
    mergeCustomers: mergeCustomers(parts),
    unmergeCustomer: unmergeCustomer(parts),
    listSuggestions,
    rejectSuggestion: rejectSuggestion(parts),
    listEvents,
    streamEvents: streamEvents(parts),
    listSources,
    listApiKeys: listApiKeys(parts),
    createApiKey: createApiKey(parts),
    getApiKey: getApiKey(parts),
    listApiKeyRequests,
    getApiKeyUsage,
    listApiKeyAddresses,
    getApiKeyLimits: getApiKeyLimits(parts),
    updateApiKey: updateApiKey(parts),
    deleteApiKey: deleteApiKey(parts),
    restoreApiKey: restoreApiKey(parts),
    replaceApiKey: replaceApiKey(parts),
    expireOldApiKeySecret: expireOldApiKeySecret(parts),
    cancelApiKeyReplacement: cancelApiKeyReplacement(parts),
    getOwnApiKey: getOwnApiKey(parts),
    deleteOwnApiKey: deleteOwnApiKey(parts),
    replaceOwnApiKey: replaceOwnApiKey(parts),
    listUsers: listUsers(parts),
    createUser: createUser(parts),
    createPasswordLink: createPasswordLink(parts),
    getUser: getUser(parts),
    releaseUser: releaseUser(parts),
    updateUser: updateUser(parts),
    setPassword: setPassword(parts),
    changeOwnPassword: changeOwnPassword(parts),
    listOwnSessions,
    endOwnSession: endOwnSession(parts),
    listAuditEntries: listAuditEntries({ findName: findSubjectName }),
    listOwnPasskeys: listOwnPasskeys(parts),
    createPasskeyOptions: createPasskeyOptions(parts),
    addPasskey: addPasskey(parts),
    updatePasskey: updatePasskey(parts),
    deletePasskey: deletePasskey(parts),
    createRecoveryCodes: createRecoveryCodes(parts),
    resetPasskeys: resetPasskeys(parts),
    setSecondFactor: setSecondFactor(parts),
    getNotifications: getNotifications(parts),
    updateNotifications: updateNotifications(parts),
    listMails,
    requestPasswordLink: requestPasswordLink(parts),
    getDealer,
    updateDealer: updateDealer(parts),
    getHealth: async () => ({ status: 200, body: { status: 'ok' } }),
    getReadiness: async () => {
      if (given.isStopping()) throw new Problem('unavailable', 'This process is stopping: send to another.')
      await requireWritable()
      const lag = given.linkingLag()
      return { status: 200, body: { status: 'ready', ...(lag && { linkingLagSeconds: lag.seconds }) } }
    },
  }
}
