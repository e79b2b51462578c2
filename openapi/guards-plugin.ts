import { $, type DefinePlugin, definePluginConfig, type Plugin } from '@hey-api/openapi-ts'

declare module '@hey-api/shared' {
  interface PluginConfigMap {
    guards: GuardsPlugin['Types']
  }
}

type Config = Plugin.Name<'guards'> &
  Plugin.Hooks &
  Plugin.UserExports & {
    /** The schemas that are shown in part. */
    schemas: string[]
  }
type GuardsPlugin = DefinePlugin<Config, Config>

type Schema = {
  $ref?: string
  items?: Schema
  properties?: Record<string, Schema>
  'x-needs-scope'?: string
} & Partial<Record<'allOf' | 'anyOf' | 'oneOf', Schema[]>>
type Document = { components: { schemas: Record<string, Schema> } }
type Members = { [name: string]: true | Members }

const handler: GuardsPlugin['Handler'] = ({ plugin }) => {
  // The document is checked by redocly before it gets here.
  const { schemas } = (plugin.context.spec as unknown as Document).components
  const resolved = (schema: Schema): Schema => schemas[schema.$ref?.split('/').pop() ?? ''] ?? schema

  const unguardedOf = (schema: Schema): true | Members => {
    const { items, properties, allOf, anyOf, oneOf } = resolved(schema)
    if (allOf || anyOf || oneOf) throw new Error('What is shown in part must not be one of several schemas')
    if (items) return unguardedOf(items)
    if (!properties) return true
    const open = Object.entries(properties).filter(([, member]) => member['x-needs-scope'] === undefined)
    return Object.fromEntries(open.map(([name, member]) => [name, unguardedOf(member)]))
  }

  const unguarded = $.object().pretty()
  // The cast: hey-api knows only what a plugin of its own is configured with.
  for (const name of (plugin.config as unknown as Config).schemas) {
    const schema = schemas[name]
    if (!schema) throw new Error(`${name} is not in the document`)
    unguarded.prop(name, $.fromValue(unguardedOf(schema), { layout: 'pretty' }))
  }
  plugin.node(
    $.const(plugin.symbol('unguarded'))
      .export()
      .assign($.as(unguarded, $.type('const'))),
  )
}

const defaultConfig: GuardsPlugin['Config'] = {
  name: 'guards',
  handler,
  config: { includeInEntry: false, schemas: [] },
}

/**
 * Emits `unguarded`: of each schema that is named in the configuration the members without `x-needs-scope`, which are
 * all that is shown to whoever has no such scope. What a schema does not name is not among them.
 *
 * Written against hey-api 0.99.0, whose plugin interface changes with every minor version; test/contract/plugin.test.ts
 * holds its output.
 */
export const guards = definePluginConfig(defaultConfig)
