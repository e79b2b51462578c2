import { fileURLToPath } from 'node:url'
import type { Request, RequestHandler, Response } from 'express'
import { middleware } from 'express-openapi-validator'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'
import { Problem } from '../problem.ts'

/** What is known of a request once its operation is found. */
export interface Call {
  readonly id: OperationId
  readonly operation: (typeof operations)[OperationId]
  readonly pathParams: Record<string, string>
}

/** The validator, layer by layer, for the one place that puts the layers in order. */
export interface Contract {
  /** The operation of a request, the methods that its path has instead, or undefined when the path is not in the document. */
  match(method: string, path: string): Call | { allow: string[] } | undefined
  /** Lets the validator take the request for the operation that `match` found. */
  enter(req: Request, call: Call): void
  security: RequestHandler
  request: RequestHandler
  /** Says everything that is wrong with a small body, where `request` says only the first thing. */
  explain(req: Request, res: Response): Promise<unknown>
  /** Checks answers, when that was asked for. */
  response: RequestHandler | undefined
}

export const documentPath = fileURLToPath(new URL('../../generated/openapi.yaml', import.meta.url))

type SecurityHandler = (req: Request, scopes: string[]) => true
type Layers = Record<'pathParams' | 'metadata' | 'security' | 'request' | 'response', RequestHandler>
type Entry = { id: OperationId; template: string[]; openapi: object }
type Validated = Request & { openapi?: object }

/**
 * express-openapi-validator over the bundled document, with the two things that it does slowly or unboundedly done here: finding the
 * operation (it compiles every path's expression anew for every request) and compiling schemas (all at start, one for each media type
 * that the document names, so that no request can make it compile more).
 *
 * @throws {Error} when a scheme of the document has no handler, or a schema does not compile.
 */
export async function openContract(handlers: Record<string, SecurityHandler>, strictResponses: boolean): Promise<Contract> {
  const layers = layersOf(handlers, false)
  await run(layers.pathParams, fakeRequest('GET', '/'))
  // Opened when the first request is refused: a start need not wait for it.
  let thorough: Layers | undefined

  const fixed = new Map<string, Map<string, Entry>>()
  const variable: { template: string[]; methods: Map<string, Entry> }[] = []
  for (const id of Object.keys(operations) as OperationId[]) {
    const { method, path, mediaTypes } = operations[id]
    const probe = fakeRequest(method, path.replaceAll(/\{[^}]+\}/g, 'x'))
    await run(layers.metadata, probe)
    if (!probe.openapi) throw new Error(`The validator does not know ${method} ${path}`)
    const template = path.split('/')
    const entry = { id, template, openapi: probe.openapi }
    for (const verb of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
      for (const mediaType of [undefined, ...mediaTypes]) await compile(layers, { ...probe, method: verb, headers: mediaType ? { 'content-type': mediaType } : {} } as Validated, strictResponses)
      if (path.includes('{')) methodsOf(variable, template).set(verb, entry)
      else fixed.set(path, (fixed.get(path) ?? new Map()).set(verb, entry))
    }
  }

  const entries = new WeakMap<Call, object>()
  const called = (entry: Entry, parts: string[]): Call => {
    const call = { id: entry.id, operation: operations[entry.id], pathParams: pathParamsOf(entry.template, parts) }
    entries.set(call, entry.openapi)
    return call
  }

  return {
    match: (method, path) => {
      const parts = path.split('/')
      const methods = fixed.get(path) ?? variable.find(({ template }) => fits(template, parts))?.methods
      const entry = methods?.get(method)
      return entry ? called(entry, parts) : methods && { allow: [...methods.keys()] }
    },
    enter: (req, call) => {
      ;(req as Validated).openapi = { ...entries.get(call), pathParams: call.pathParams }
      req.params = call.pathParams
    },
    security: layers.security,
    request: layers.request,
    explain: (req, res) => {
      thorough ??= layersOf(handlers, true)
      return run(thorough.request, req, res).then(
        () => undefined,
        (error: unknown) => error,
      )
    },
    response: strictResponses ? layers.response : undefined,
  }
}

function layersOf(handlers: Record<string, SecurityHandler>, allErrors: boolean): Layers {
  const installed = middleware({
    apiSpec: documentPath,
    validateApiSpec: true,
    validateSecurity: { handlers },
    // The cast: allErrors is passed on to Ajv but is not in the option's type.
    validateRequests: { allowUnknownQueryParameters: false, allErrors } as object,
    validateResponses: {
      onError: (error) => {
        throw error
      },
    },
    validateFormats: true,
    ajvFormats: { mode: 'full' },
    fileUploader: false,
  })
  const layer = (name: string) => {
    const found = installed.find((handler) => handler.name === `${name}Middleware`)
    if (!found) throw new Error(`express-openapi-validator has no ${name} middleware`)
    return found as RequestHandler
  }
  return { pathParams: layer('pathParams'), metadata: layer('metadata'), security: layer('security'), request: layer('request'), response: layer('response') }
}

function run(layer: RequestHandler, req: Request, res: Response = {} as Response): Promise<void> {
  return new Promise((resolve, reject) => void layer(req, res, (error?: unknown) => (error ? reject(error) : resolve())))
}

// The validator compiles at the first request that it sees; these are first.
async function compile(layers: Layers, req: Validated, responses: boolean): Promise<void> {
  const refused = (error: { status?: number }) => {
    if (error.status !== 400 && error.status !== 415) throw error
  }
  await run(layers.request, req).catch(refused)
  if (!responses) return
  const res = { json: () => res, statusCode: 200, headersSent: false } as unknown as Response
  await run(layers.response, req, res)
  try {
    res.json({})
  } catch (error) {
    // An empty answer fits no schema; that it was judged is what counts.
    if (!(error instanceof Error) || !('status' in error)) throw error
  }
}

function fakeRequest(method: string, path: string): Validated {
  const app = { enabled: () => false, param: () => undefined }
  return { method, path, url: path, originalUrl: path, baseUrl: '', headers: {}, query: {}, params: {}, cookies: {}, body: undefined, app, accepts: () => [] } as unknown as Validated
}

function methodsOf(variable: { template: string[]; methods: Map<string, Entry> }[], template: string[]): Map<string, Entry> {
  const known = variable.find((route) => route.template.join('/') === template.join('/'))
  if (known) return known.methods
  const methods = new Map<string, Entry>()
  variable.push({ template, methods })
  return methods
}

const fits = (template: string[], parts: string[]) => template.length === parts.length && template.every((name, at) => (name.startsWith('{') ? parts[at] !== '' : name === parts[at]))

function pathParamsOf(template: string[], parts: string[]): Record<string, string> {
  const params: Record<string, string> = {}
  template.forEach((name, at) => {
    if (!name.startsWith('{')) return
    try {
      params[name.slice(1, -1)] = decodeURIComponent(parts[at] ?? '')
    } catch {
      throw new Problem('bad-request', 'The path is not percent-encoded UTF-8.', { violations: [{ in: 'path', pointer: `/${name.slice(1, -1)}`, message: 'is not percent-encoded UTF-8' }] })
    }
  })
  return params
}
