import { $, type DefinePlugin, definePluginConfig, type Plugin, type PluginInstance } from '@hey-api/openapi-ts'

declare module '@hey-api/shared' {
  interface PluginConfigMap {
    express: ExpressPlugin['Types']
  }
}

type Config = Plugin.Name<'express'> &
  Plugin.Hooks &
  Plugin.UserExports & {
    /** The module with the handler types, as the generated file names it. */
    operationModule: string
  }
type HandlerType = 'ReadOperation' | 'StreamOperation' | 'WriteOperation' | 'SessionOperation' | 'PublicOperation'
type Imports = Record<HandlerType, ReturnType<PluginInstance['symbolFactory']['register']>>
type ExpressPlugin = DefinePlugin<Config, Config, never, Imports>

// What the plugin reads of the document itself: hey-api's own model of an operation loses scopes and all media types
// but one.
type Document = {
  security?: Security
  paths: Record<string, Record<string, RawOperation>>
  components: {
    securitySchemes: { accessToken: { flows: { clientCredentials: { scopes: Record<string, string> } } } }
    parameters?: Record<string, RawParameter>
  }
}
type RawParameter = { $ref?: string; name?: string; 'x-needs-scope'?: string }
type RawOperation = {
  security?: Security
  parameters?: RawParameter[]
  requestBody?: { required?: boolean; content: Record<string, unknown> }
  responses: Record<string, { content?: Record<string, unknown> }>
  'x-body-bytes-max'?: number
  'x-fresh-sign-in'?: 'always' | 'sometimes'
}
type Security = Record<string, string[]>[]

/** The credential that an operation asks for; the handler type and the row of the table follow from it. */
function access(
  operationId: string,
  security: Security,
): { kind: 'accessToken' | 'session' | 'none'; scopes: string[] } {
  const [only, ...others] = security
  if (only?.['accessToken'] && others.length === 0) return { kind: 'accessToken', scopes: only['accessToken'] }
  // By http and by https the cookie has another name.
  if (only?.['session'] && others.length === 1 && others[0]?.['secureSession']) return { kind: 'session', scopes: [] }
  if (security.length === 0 || security.some((alternative) => Object.keys(alternative).length === 0))
    return { kind: 'none', scopes: [] }
  throw new Error(`${operationId}: security must be accessToken alone, session or secureSession, or none`)
}

function handlerType(
  kind: 'accessToken' | 'session' | 'none',
  method: string,
  { responses }: RawOperation,
): HandlerType {
  if (kind === 'session') return 'SessionOperation'
  if (kind === 'none') return 'PublicOperation'
  if (responses['200']?.content?.['text/event-stream']) return 'StreamOperation'
  return method === 'get' ? 'ReadOperation' : 'WriteOperation'
}

/** What may be asked with a scope of its own alone, by the name of the parameter. */
function parameterScopes({ components }: Document, { parameters = [] }: RawOperation): Record<string, string> {
  const resolved = parameters.map((each) => components.parameters?.[each.$ref?.split('/').pop() ?? ''] ?? each)
  return Object.fromEntries(
    resolved.flatMap(({ name = '', 'x-needs-scope': scope }) => (scope === undefined ? [] : [[name, scope]])),
  )
}

const handler: ExpressPlugin['Handler'] = ({ plugin }) => {
  // The document is checked by redocly before it gets here.
  const document = plugin.context.spec as unknown as Document
  const handlers = $.type.object()
  const table: Record<string, object> = {}

  plugin.forEach(
    'operation',
    ({ operation, path, method }) => {
      const raw = document.paths[path]?.[method]
      if (!raw) throw new Error(`${operation.id}: ${method} ${path} is not in the document`)
      const { kind, scopes } = access(operation.id, raw.security ?? document.security ?? [])
      const type = (role: string) => {
        const symbol = plugin.querySymbol({ category: 'type', resource: 'operation', resourceId: operation.id, role })
        return symbol ? $.type(symbol) : $.type('unknown')
      }
      handlers.prop(operation.id, (property) =>
        property.type(
          $.type(plugin.imports[handlerType(kind, method, raw)], (generic) =>
            generic.generics(type('data'), type('responses')),
          ),
        ),
      )
      table[operation.id] = {
        method: method.toUpperCase(),
        path,
        access: kind,
        scopes,
        mediaTypes: Object.keys(raw.requestBody?.content ?? {}),
        bodyBytesMax: raw['x-body-bytes-max'] ?? 0,
        freshSignIn: raw['x-fresh-sign-in'] ?? 'never',
        queryParameters: Object.values(operation.parameters?.query ?? {}).map(({ name }) => name),
        parameterScopes: parameterScopes(document, raw),
      }
    },
    { order: 'declarations' },
  )

  const operations = plugin.symbol('operations')
  const scopes = plugin.symbol('scopes')
  const granted = Object.keys(document.components.securitySchemes.accessToken.flows.clientCredentials.scopes)
  plugin.node($.type.alias(plugin.symbol('Handlers')).export().type(handlers))
  plugin.node(
    $.const(operations)
      .export()
      .assign($.as($.fromValue(table, { layout: 'pretty' }), $.type('const'))),
  )
  plugin.node(
    $.type
      .alias(plugin.symbol('OperationId'))
      .export()
      .type($.type.operator().keyof($.type.query(operations))),
  )
  plugin.node(
    $.const(scopes)
      .export()
      .assign($.as($.fromValue(granted, { layout: 'pretty' }), $.type('const'))),
  )
  plugin.node(
    $.type
      .alias(plugin.symbol('Scope'))
      .export()
      .type($.type.idx($.type.query(scopes), $.type('number'))),
  )
}

const defaultConfig: ExpressPlugin['Config'] = {
  name: 'express',
  handler,
  imports: (plugin: PluginInstance): Imports => {
    const external = String((plugin.config as Config).operationModule)
    const register = (name: HandlerType) => plugin.symbolFactory.register(name, { external, kind: 'type' })
    return {
      ReadOperation: register('ReadOperation'),
      StreamOperation: register('StreamOperation'),
      WriteOperation: register('WriteOperation'),
      SessionOperation: register('SessionOperation'),
      PublicOperation: register('PublicOperation'),
    }
  },
  dependencies: ['@hey-api/typescript'],
  config: { includeInEntry: false, operationModule: '../../src/operation.ts' },
}

/**
 * Emits what the server is typed and wired by: `Handlers` (operationId to typed handler), `operations` (method, path,
 * credential, scopes, media types, body limit in bytes, whether a person must have signed in a moment ago, what
 * parameters need scopes of their own), `OperationId`, `scopes` and `Scope`.
 *
 * Written against hey-api 0.99.0, whose plugin interface changes with every minor version; test/contract/plugin.test.ts
 * holds its output.
 */
export const express = definePluginConfig(defaultConfig)
