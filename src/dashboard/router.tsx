import { createRootRoute, createRoute, createRouter, redirect } from '@tanstack/react-router'
import type { AuditAction } from '../client/client.ts'
import type { AuditSearch } from './data.ts'
import { Audit } from './screens/audit.tsx'
import { Dealer } from './screens/dealer.tsx'
import { Home, NotFound } from './screens/home.tsx'
import { Integrations } from './screens/integrations.tsx'
import { KeyPage } from './screens/key.tsx'
import { Preferences } from './screens/preferences.tsx'
import { Shell } from './screens/shell.tsx'
import { en } from './words/en.ts'

const kinds = ['digital_requests', 'extensive_integrations'] as const
const dialogs = ['replace', 'delete'] as const
const userId = /^user_[0-9a-f]{32}$/
const day = /^\d{4}-\d\d-\d\d$/
const matching = (pattern: RegExp, word: unknown) => (typeof word === 'string' && pattern.test(word) ? word : undefined)
const oneOf = <Word extends string>(words: readonly Word[], word: unknown) => words.find((one) => one === word)

const root = createRootRoute({ component: Shell, notFoundComponent: NotFound })
const home = createRoute({ getParentRoute: () => root, path: '/', component: Home })
const settings = createRoute({ getParentRoute: () => root, path: '/settings', beforeLoad: () => { throw redirect({ to: '/settings/integrations', replace: true }) } })
const preferences = createRoute({ getParentRoute: () => root, path: '/settings/preferences', component: Preferences })
const dealer = createRoute({ getParentRoute: () => root, path: '/settings/dealer', component: Dealer })
const audit = createRoute({
  getParentRoute: () => root,
  path: '/settings/audit',
  component: Audit,
  validateSearch: ({ action, by, from, to }: Record<string, unknown>): AuditSearch => {
    const known = { action: oneOf(Object.keys(en.action) as AuditAction[], action), by: matching(userId, by), from: matching(day, from), to: matching(day, to) }
    return Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined))
  },
})
const integrations = createRoute({
  getParentRoute: () => root,
  path: '/settings/integrations',
  component: Integrations,
  validateSearch: ({ create, deleted }: Record<string, unknown>): { create?: (typeof kinds)[number]; deleted?: true } => {
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

export const router = createRouter({ routeTree: root.addChildren([home, settings, preferences, dealer, audit, integrations, key]) })

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
