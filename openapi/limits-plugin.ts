import { $, type DefinePlugin, definePluginConfig, type Plugin } from '@hey-api/openapi-ts'

declare module '@hey-api/shared' {
  interface PluginConfigMap {
    limits: LimitsPlugin['Types']
  }
}

type Config = Plugin.Name<'limits'> & Plugin.Hooks & Plugin.UserExports
type LimitsPlugin = DefinePlugin<Config, Config>

// What the plugin reads of the document itself: hey-api's model of a parameter does not tell a component from one of an
// operation.
type Schema = {
  [Name in (typeof keywords)[number]]?: unknown
} & { $ref?: string; items?: Schema; properties?: Record<string, Schema> }
type Document = {
  components: { schemas?: Record<string, Schema>; parameters?: Record<string, { schema?: Schema }> }
}
type Limits = { [member: string]: number | Limits }

const keywords = ['minLength', 'maxLength', 'minItems', 'maxItems', 'minimum', 'maximum', 'default'] as const

/**
 * The numbers that a schema states for itself and, in an object or list, for what is in it; what it refers to states
 * its own.
 */
function limitsOf(schema: Schema): Limits {
  const limits: Limits = {}
  for (const keyword of keywords) {
    const value = schema[keyword]
    if (typeof value === 'number') limits[keyword] = value
  }
  for (const [name, member] of Object.entries({ ...schema.properties, ...(schema.items && { items: schema.items }) })) {
    const inner = limitsOf(member)
    if (Object.keys(inner).length > 0) limits[name] = inner
  }
  return limits
}

const handler: LimitsPlugin['Handler'] = ({ plugin }) => {
  // The document is checked by redocly before it gets here.
  const { schemas = {}, parameters = {} } = (plugin.context.spec as unknown as Document).components
  const ofParameters = Object.entries(parameters).map(([name, { schema = {} }]) => [name, limitsOf(schema)] as const)
  const all = Object.entries(schemas).map(([name, schema]) => [name, limitsOf(schema)] as const)

  for (const [name, limits] of [...all, ['parameters', Object.fromEntries(ofParameters)] as const]) {
    const object = $.object().pretty()
    const members = Object.entries(limits).filter(([, value]) => typeof value === 'number' || Object.keys(value).length)
    for (const [member, value] of members) object.prop(member, $.fromValue(value))
    if (members.length > 0)
      plugin.node(
        $.const(plugin.symbol(name))
          .export()
          .assign($.as(object, $.type('const'))),
      )
  }
}

const defaultConfig: LimitsPlugin['Config'] = {
  name: 'limits',
  handler,
  config: { includeInEntry: false },
}

/**
 * Emits the limits of each schema under its name, `LeadInput.message.maxLength`, and those of the parameters that
 * operations share, `parameters.Limit.default`. To be imported as a whole, `import * as limits`: a bundler takes the
 * schemas that are used.
 *
 * Written against hey-api 0.99.0, whose plugin interface changes with every minor version; test/contract/plugin.test.ts
 * holds its output.
 */
export const limits = definePluginConfig(defaultConfig)
