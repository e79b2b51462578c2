import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router'
import type { AuditAction } from './client.ts'
import type { AuditSearch } from './queries.ts'
import { type LeadSearch, statuses, types } from './lead.ts'
import { Account } from './screens/account.tsx'
import { Audit } from './screens/audit.tsx'
import { CustomerPage } from './screens/customer.tsx'
import { Customers } from './screens/customers.tsx'
import { Dealer } from './screens/dealer.tsx'
import { NotFound } from './screens/home.tsx'
import { Integrations } from './screens/integrations.tsx'
import { KeyPage } from './screens/key.tsx'
import { LeadPage } from './screens/lead.tsx'
import { Pipeline } from './screens/pipeline.tsx'
import { Notifications } from './screens/notifications.tsx'
import { Preferences } from './screens/preferences.tsx'
import { Shell } from './screens/shell.tsx'
import { Users } from './screens/users.tsx'
import { en } from './words/en.ts'

const kinds = ['digital_requests', 'extensive_integrations'] as const
const dialogs = ['replace', 'delete'] as const
const keyId = /^key_[0-9a-f]{32}$/
const userId = /^user_[0-9a-f]{32}$/
const day = /^\d{4}-\d\d-\d\d$/
const matching = (pattern: RegExp, word: unknown) => (typeof word === 'string' && pattern.test(word) ? word : undefined)
const oneOf = <Word extends string>(words: readonly Word[], word: unknown) => words.find((one) => one === word)

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })
const home = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/leads', replace: true })
  },
})
const leads = createRoute({
  getParentRoute: () => root,
  path: '/leads',
  component: Pipeline,
  validateSearch: ({
    view,
    status,
    type,
    source,
    contact,
    order,
    test,
  }: Record<string, unknown>): LeadSearch & { contact?: string } => {
    const known = {
      view: oneOf(['table'], view),
      status: oneOf(statuses, status),
      type: oneOf(types, type),
      source: matching(keyId, source),
      contact: matching(/^.{3,320}$/, typeof contact === 'number' ? String(contact) : contact),
      order: oneOf(['oldest'], order),
      test: test === true ? true : undefined,
    }
    return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
  },
  // Addresses from before have in them what was typed.
  beforeLoad: ({ search: { contact, ...search } }) => {
    if (contact !== undefined) throw redirect({ to: '/leads', search, state: { typed: contact }, replace: true })
  },
})
const lead = createRoute({ getParentRoute: () => root, path: '/leads/$leadId', component: LeadPage })
const customers = createRoute({
  getParentRoute: () => root,
  path: '/customers',
  component: Customers,
  validateSearch: ({ view, add, test }: Record<string, unknown>): { view?: 'same'; add?: true; test?: true } => ({
    ...(view === 'same' && { view }),
    ...(add === true && { add }),
    ...(test === true && { test }),
  }),
})
const customer = createRoute({ getParentRoute: () => root, path: '/customers/$customerId', component: CustomerPage })
const settings = createRoute({
  getParentRoute: () => root,
  path: '/settings',
  beforeLoad: () => {
    throw redirect({ to: '/settings/integrations', replace: true })
  },
})
const preferences = createRoute({ getParentRoute: () => root, path: '/settings/preferences', component: Preferences })
const dealer = createRoute({ getParentRoute: () => root, path: '/settings/dealer', component: Dealer })
const account = createRoute({ getParentRoute: () => root, path: '/settings/account', component: Account })
const users = createRoute({
  getParentRoute: () => root,
  path: '/settings/users',
  component: Users,
  validateSearch: ({ invite }: Record<string, unknown>): { invite?: true } => (invite === true ? { invite } : {}),
})
const notifications = createRoute({
  getParentRoute: () => root,
  path: '/settings/notifications',
  component: Notifications,
})
const audit = createRoute({
  getParentRoute: () => root,
  path: '/settings/audit',
  component: Audit,
  validateSearch: ({ action, by, from, to }: Record<string, unknown>): AuditSearch => {
    const known = {
      action: oneOf(Object.keys(en.action) as AuditAction[], action),
      by: matching(userId, by),
      from: matching(day, from),
      to: matching(day, to),
    }
    return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
  },
})
const integrations = createRoute({
  getParentRoute: () => root,
  path: '/settings/integrations',
  component: Integrations,
  validateSearch: ({
    create,
    deleted,
  }: Record<string, unknown>): { create?: (typeof kinds)[number]; deleted?: true } => {
    const kind = oneOf(kinds, create)
    return { ...(kind && { create: kind }), ...(deleted === true && { deleted }) }
  },
})
const key = createRoute({
  getParentRoute: () => root,
  path: '/settings/integrations/$apiKeyId',
  component: KeyPage,
  validateSearch: ({ dialog }: Record<string, unknown>): { dialog?: (typeof dialogs)[number] } => {
    const open = oneOf(dialogs, dialog)
    return open ? { dialog: open } : {}
  },
})

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    leads,
    lead,
    customers,
    customer,
    settings,
    preferences,
    account,
    notifications,
    users,
    dealer,
    audit,
    integrations,
    key,
  ]),
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
  /** What names people is kept beside an address, never in it. */
  interface HistoryState {
    /** What was typed to look for somebody. */
    typed?: string | undefined
    /** The id that was looked for, of a customer that is part of another one now. */
    mergedFrom?: string
  }
}
