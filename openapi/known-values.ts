import { $, type UserConfig } from '@hey-api/openapi-ts'

type PluginOf<Name> = Extract<NonNullable<UserConfig['plugins']>[number], { name: Name }>
type Resolvers = NonNullable<PluginOf<'@hey-api/typescript'>['$resolvers']>

/**
 * How the types say `x-extensible-enum`, the values of an answer that this version knows. `closed` is for what is
 * deployed with the service, which the compiler is to hold to these values. `open` is for integrators: editors offer
 * the values, and a value that comes later compiles and is passed over.
 */
export const knownValues = (growth: 'closed' | 'open'): Resolvers => ({
  string: ({ schema }) => {
    const known = (schema as { 'x-extensible-enum'?: string[] })['x-extensible-enum'] // Hey-api passes extensions on, untyped.
    if (!known) return undefined
    const values = known.map((value) => $.type.literal(value))
    // A bare `string` would swallow the values.
    const others = $.type.and($.type('string'), $.type.object())
    return $.type.or(...values, ...(growth === 'open' ? [others] : []))
  },
})
