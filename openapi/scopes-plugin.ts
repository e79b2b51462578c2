import { $, type DefinePlugin, definePluginConfig, type Plugin } from '@hey-api/openapi-ts'

declare module '@hey-api/shared' {
  interface PluginConfigMap {
    scopes: ScopesPlugin['Types']
  }
}

type Config = Plugin.Name<'scopes'> & Plugin.Hooks & Plugin.UserExports
type ScopesPlugin = DefinePlugin<Config, Config>

type Document = {
  components: { schemas: { ApiKeyKind?: { 'x-extensible-enum': string[]; 'x-scopes'?: Record<string, ScopesOfKind> } } }
}
type ScopesOfKind = { usual: string[]; onRequest: string[] }

const handler: ScopesPlugin['Handler'] = ({ plugin }) => {
  // The document is checked by redocly before it gets here.
  const { ApiKeyKind } = (plugin.context.spec as unknown as Document).components.schemas
  const scopesOfKind = $.object().pretty()
  for (const kind of ApiKeyKind?.['x-extensible-enum'] ?? []) {
    const scopes = ApiKeyKind?.['x-scopes']?.[kind]
    if (!scopes) throw new Error(`ApiKeyKind: x-scopes must have ${kind}`)
    scopesOfKind.prop(kind, $.fromValue({ usual: scopes.usual, onRequest: scopes.onRequest }, { layout: 'pretty' }))
  }
  plugin.node(
    $.const(plugin.symbol('scopesOfKind'))
      .export()
      .assign($.as(scopesOfKind, $.type('const'))),
  )
}

const defaultConfig: ScopesPlugin['Config'] = {
  name: 'scopes',
  handler,
  config: { includeInEntry: false },
}

/**
 * Emits `scopesOfKind`: what an API key of each kind is granted, and what beyond that it may be granted when somebody
 * asks for it.
 *
 * Written against hey-api 0.99.0, whose plugin interface changes with every minor version; test/contract/plugin.test.ts
 * holds its output.
 */
export const scopes = definePluginConfig(defaultConfig)
