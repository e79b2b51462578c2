import { fileURLToPath, parse } from 'node:url'
import type { Request, RequestHandler, Response } from 'express'
import { OpenApiSpecLoader } from 'express-openapi-validator/dist/framework/openapi.spec.loader.js'
import { OpenApiValidator } from 'express-openapi-validator/dist/openapi.validator.js'
import { type OperationId, operations } from '../../generated/server/express.gen.ts'
import * as limits from '../../generated/server/limits.gen.ts'
import { momentIn } from '../moment.ts'
import { badRequest, type Violation } from '../problem.ts'

/** What is known of a request once its operation is found. */
export interface Call {
  readonly id: OperationId
  readonly operation: (typeof operations)[OperationId]
  readonly pathParams: Record<string, string>
  /** What the validator knows of the operation. */
  readonly openapi: object
}

/** The validator, layer by layer, for the one place that puts the layers in order. */
export interface Contract {
  /**
   * The operation of a request, the methods that its path has instead, or undefined when the path is not in the
   * document.
   */
  match(method: string, path: string): Call | { allow: string[] } | undefined
  /** Lets the validator take the request for the operation that `match` found. */
  enter(req: Request, call: Call): void
  security: RequestHandler
  /** @throws what is wrong with the request. */
  validate(req: Request, res: Response): void
  /**
   * Adds to a refusal what else is wrong with a small body, where `validate` says only the first thing. Each fault is
   * found by leaving out the one before, so that nothing is ever collected that nobody reads.
   */
  explain(req: Request, refusal: unknown): unknown
  /** What is wrong with a body, as if it had come to that operation by itself. */
  violationsOf(id: OperationId, body: unknown): Violation[]
  /** Sends `body` as JSON. When answers are to be strict, one that the document does not allow is thrown instead. */
  answer(req: Request, res: Response, status: number, mediaType: string, body: unknown): void
}

export const documentPath = fileURLToPath(new URL('../../generated/openapi.yaml', import.meta.url))

/** As many as an answer names. */
const faultsMax = limits.Problem.violations.maxItems
const triesMax = 2 * faultsMax

type SecurityHandler = (req: Request, scopes: string[]) => true
type Layers = Record<'metadata' | 'security' | 'request' | 'response', RequestHandler>
type Entry = { id: OperationId; template: string[]; openapi: object }
type Validated = Request & { openapi?: object }

/**
 * express-openapi-validator over the bundled document, with the two things that it does slowly or unboundedly done
 * here: finding the operation (it compiles every path's expression anew for every request) and compiling schemas (all
 * at start, one for each media type that the document names, so that no request can make it compile more). Only schemas
 * of answers, which tests ask for, wait until they are used.
 *
 * @throws {Error} when a scheme of the document has no handler, or a schema does not compile.
 */
export async function openContract(
  handlers: Record<string, SecurityHandler>,
  strictResponses: boolean,
): Promise<Contract> {
  warnOfUrlParse()
  const layers = await layersOf(handlers)
  const fixed = new Map<string, Map<string, Entry>>()
  const probes = new Map<OperationId, object>()
  const variable: { template: string[]; methods: Map<string, Entry> }[] = []
  for (const id of Object.keys(operations) as OperationId[]) {
    const { method, path, mediaTypes } = operations[id]
    const probe = fakeRequest(method, path.replaceAll(/\{[^}]+\}/g, 'x'))
    await run(layers.metadata, probe)
    if (!probe.openapi) throw new Error(`The validator does not know ${method} ${path}`)
    probes.set(id, probe.openapi)
    const template = path.split('/')
    const entry = { id, template, openapi: probe.openapi }
    for (const verb of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
      for (const mediaType of [undefined, ...mediaTypes])
        await compile(layers, {
          ...probe,
          method: verb,
          headers: mediaType ? { 'content-type': mediaType } : {},
        } as Validated)
      if (path.includes('{')) methodsOf(variable, template).set(verb, entry)
      else fixed.set(path, (fixed.get(path) ?? new Map()).set(verb, entry))
    }
  }

  const called = ({ id, template, openapi }: Entry, parts: string[]): Call => {
    const pathParams = pathParamsOf(template, parts)
    return { id, operation: operations[id], pathParams, openapi: { ...openapi, pathParams } }
  }

  return {
    match: (method, path) => {
      const parts = path.split('/')
      const methods = fixed.get(path) ?? variable.find(({ template }) => fits(template, parts))?.methods
      const entry = methods?.get(method)
      return entry ? called(entry, parts) : methods && { allow: [...methods.keys()] }
    },
    enter: (req, call) => {
      ;(req as Validated).openapi = call.openapi
      req.params = call.pathParams
    },
    security: layers.security,
    validate: (req, res) => layers.request(req, res, nothing),
    explain: (req, refusal) => {
      const found = faultsIn(refusal)
      const { method, path, headers, query, openapi, body } = req as Validated
      const mended = Object.assign(fakeRequest(method, path), { headers, query, openapi, body: structuredClone(body) })
      let place = placeOf(found.at(-1))
      for (let tries = 0; tries < triesMax && found.length < faultsMax && leaveOut(mended, place); tries++) {
        const next = faultsIn(refusalOf(layers, mended)).at(-1)
        if (!next) break
        // It has to be there, so what holds it can only be wrong.
        if (next.path === place || found.some(({ path: told }) => told === next.path)) place = holderOf(place)
        else {
          found.push(next)
          place = placeOf(next)
        }
      }
      return refusal
    },
    violationsOf: (id, body) => {
      const { method, path, mediaTypes } = operations[id]
      const headers = { 'content-type': mediaTypes[0] }
      const req = Object.assign(fakeRequest(method, path), { openapi: probes.get(id), headers, body })
      return violationsIn(refusalOf(layers, req))
    },
    answer: (req, res, status, mediaType, body) => {
      if (strictResponses) check(layers, req, status, mediaType, body)
      const text = JSON.stringify(body)
      res.statusCode = status
      res.setHeader('Content-Type', mediaType)
      res.setHeader('Content-Length', Buffer.byteLength(text))
      res.end(text)
    },
  }
}

/**
 * The validator's own middlewares. What it installs waits at each of them for the document to be loaded, by a promise
 * and for every request; here it has been loaded, and they are taken as the validator makes them.
 */
async function layersOf(handlers: Record<string, SecurityHandler>): Promise<Layers> {
  const validator = new OpenApiValidator({
    apiSpec: documentPath,
    validateApiSpec: true,
    validateSecurity: { handlers },
    validateRequests: { allowUnknownQueryParameters: false },
    validateResponses: {
      onError: (error) => {
        throw error
      },
    },
    validateFormats: true,
    ajvFormats: { mode: 'full' },
    // The one of Ajv lets in what no Date can be made of, and what has no offset.
    formats: { 'date-time': { type: 'string', validate: (text: string) => momentIn(text) !== undefined } },
    fileUploader: false,
  })
  const made: Partial<Layers> = {}
  const documents = new Set<unknown>()
  // The cast: the methods that make the middlewares are private by their types only.
  const makers = validator as unknown as Record<string, (...args: unknown[]) => RequestHandler>
  for (const [layer, maker] of Object.entries({
    metadata: 'metadataMiddleware',
    security: 'securityMiddleware',
    request: 'requestValidationMiddleware',
    response: 'responseValidationMiddleware',
  })) {
    const make = makers[maker]
    if (!make) throw new Error(`express-openapi-validator has no ${maker}`)
    makers[maker] = (...args) => {
      documents.add(args[0])
      return (made[layer as keyof Layers] = make.apply(validator, args))
    }
  }

  const loaded = new OpenApiSpecLoader({ apiDoc: documentPath, validateApiSpec: true })
    .load()
    .then(takingReserved)
    .then(knowingValues)
    .then(takingAnything)
  for (const installed of validator.installMiddleware(loaded))
    await run(installed as RequestHandler, fakeRequest('GET', '/healthz'))
  const { metadata, security, request, response } = made
  if (!metadata || !security || !request || !response)
    throw new Error('express-openapi-validator did not make all its middlewares')
  for (const document of documents) hideParts(document)
  return { metadata, security, request, response }
}

type Loaded = Awaited<ReturnType<OpenApiSpecLoader['load']>>

/**
 * The document as the validator is to see it: where it does not say `allowReserved` the validator refuses a colon that
 * was not encoded, and what says it tells clients to send a plus that way, too, which becomes a blank.
 */
function takingReserved(loaded: Loaded): Loaded {
  const { paths, components } = loaded.apiDoc
  const operations = Object.values(paths ?? {}).flatMap((path) => Object.values(path ?? {}))
  const parameters = [...operations, { parameters: Object.values(components?.parameters ?? {}) }].flatMap((each) =>
    typeof each === 'object' && 'parameters' in each ? (each.parameters ?? []) : [],
  )
  for (const parameter of parameters) if ('in' in parameter && parameter.in === 'query') parameter.allowReserved = true
  return loaded
}

/**
 * Answers are held to the values that are known today; what clients read leaves room for more of them
 * (`x-extensible-enum`). No input has such values.
 */
function knowingValues(loaded: Loaded): Loaded {
  const nodes = new Set<unknown>([loaded.apiDoc.paths, loaded.apiDoc.components])
  for (const node of nodes) {
    if (!(node instanceof Object)) continue
    if ('x-extensible-enum' in node) Object.assign(node, { enum: node['x-extensible-enum'] })
    for (const inner of Object.values(node)) nodes.add(inner)
  }
  return loaded
}

const jsonTypes = 6

/**
 * What is either something or anything is anything: the validator need not find out which, as its handler does when its
 * turn comes.
 */
function takingAnything(loaded: Loaded): Loaded {
  const schemas = loaded.apiDoc.components?.schemas ?? {}
  const isAnything = (schema: unknown): boolean => {
    if (!isObject(schema)) return false
    const { $ref, type } = schema
    if (typeof $ref === 'string') return isAnything(schemas[$ref.slice($ref.lastIndexOf('/') + 1)])
    return Array.isArray(type) && type.length === jsonTypes
  }
  const nodes = new Set<unknown>([loaded.apiDoc.paths, loaded.apiDoc.components])
  for (const node of nodes) {
    if (!isObject(node)) continue
    if (Array.isArray(node.anyOf) && node.anyOf.some(isAnything)) delete node.anyOf
    for (const inner of Object.values(node)) nodes.add(inner)
  }
  return loaded
}

/**
 * The validator puts the whole document into the schema of every operation, so that its references lead somewhere, and
 * Ajv would walk through all of it each time, which were three quarters of a start. References are found by their
 * names, also in what cannot be listed.
 */
function hideParts(document: unknown): void {
  for (const part of ['paths', 'components']) {
    const parts = isObject(document) ? document[part] : undefined
    if (!isObject(parts)) continue
    for (const name of Object.keys(parts)) Object.defineProperty(parts, name, { enumerable: false })
  }
}

function run(layer: RequestHandler, req: Request, res: Response = {} as Response): Promise<void> {
  return new Promise(
    (resolve, reject) => void layer(req, res, (error?: unknown) => (error ? reject(error) : resolve())),
  )
}

const isRefusal = (error: unknown): error is Error => error instanceof Error && 'status' in error
const nothing = () => undefined

// The validator compiles at the first request that it sees; these are first. That they are refused is no fault.
async function compile(layers: Layers, req: Validated): Promise<void> {
  await run(layers.request, req).catch((error: unknown) => {
    if (!isRefusal(error)) throw error
  })
}

/** The validator looks at an answer when it is handed to res.json; this one is sent nowhere. */
function check(layers: Layers, req: Request, status: number, mediaType: string, body: unknown): void {
  let failure: unknown
  const res = {
    statusCode: status,
    headersSent: false,
    json: () => res,
    getHeaders: () => ({ 'content-type': mediaType }),
  } as unknown as Response
  layers.response(req, res, (error?: unknown) => (failure = error))
  res.json(body)
  if (failure) throw failure
}

/**
 * Until somebody has been warned of url.parse, Node walks the stack of every call to see whether a package made it. The
 * validator calls it for every request; being warned here, without a word, spares that.
 */
function warnOfUrlParse(): void {
  const { noDeprecation } = process
  process.noDeprecation = true
  parse('/')
  process.noDeprecation = noDeprecation ?? false
}

function fakeRequest(method: string, path: string): Validated {
  const app = { enabled: () => false, param: () => undefined }
  return {
    method,
    path,
    url: path,
    originalUrl: path,
    baseUrl: '',
    headers: {},
    query: {},
    params: {},
    cookies: {},
    body: undefined,
    app,
    accepts: () => [],
  } as unknown as Validated
}

function methodsOf(
  variable: { template: string[]; methods: Map<string, Entry> }[],
  template: string[],
): Map<string, Entry> {
  const known = variable.find((route) => route.template.join('/') === template.join('/'))
  if (known) return known.methods
  const methods = new Map<string, Entry>()
  variable.push({ template, methods })
  return methods
}

const fits = (template: string[], parts: string[]) =>
  template.length === parts.length &&
  template.every((name, at) => (name.startsWith('{') ? parts[at] !== '' : name === parts[at]))

function pathParamsOf(template: string[], parts: string[]): Record<string, string> {
  const params: Record<string, string> = {}
  template.forEach((name, at) => {
    if (!name.startsWith('{')) return
    try {
      params[name.slice(1, -1)] = decodeURIComponent(parts[at] ?? '')
    } catch {
      const violation = {
        in: 'path',
        pointer: `/${name.slice(1, -1)}`,
        message: 'is not percent-encoded UTF-8',
      } as const
      throw badRequest([violation], 'The path is not percent-encoded UTF-8.')
    }
  })
  return params
}

/** What the validator found. */
export function violationsIn(refusal: unknown): Violation[] {
  return faultsIn(refusal).map(violationOf)
}

const parts: Record<string, Violation['in']> = {
  body: 'body',
  query: 'query',
  params: 'path',
  headers: 'header',
  cookies: 'cookie',
}

type Found = { path?: string; message?: string; errorCode?: string }

/** The faults in what the validator threw, those of the body last. */
function faultsIn(refusal: unknown): Found[] {
  return isRefusal(refusal) && 'errors' in refusal && Array.isArray(refusal.errors) ? refusal.errors : []
}

/** What the validator throws of a request, if anything. */
function refusalOf(layers: Layers, req: Request): object {
  try {
    layers.request(req, {} as Response, nothing)
    return {}
  } catch (error) {
    if (isRefusal(error)) return error
    throw error
  }
}

/**
 * The place without which the next fault shows, if there is one: where there are too many of something, or too much,
 * nothing else is looked for.
 */
function placeOf({ path = '', errorCode = '' }: Found = {}): string {
  if (/^m(?:ax|in)(?:Items|Properties|Length)\./.test(errorCode)) return ''
  return errorCode.startsWith('required.') ? holderOf(path) : path
}

const holderOf = (place: string): string => place.slice(0, Math.max(0, place.lastIndexOf('/')))

/** Takes a value out of the body; the others of a list stay where they are. Says whether it was there. */
function leaveOut(req: Validated, place: string): boolean {
  const [, part, ...names] = place.split('/').map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = names.pop()
  let holder: unknown = req.body
  for (const name of names) holder = isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined
  if (part !== 'body' || last === undefined || !isObject(holder) || !Object.hasOwn(holder, last)) return false
  if (Array.isArray(holder)) holder[Number(last)] = null
  else delete holder[last]
  return true
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

const plainMessages = new Map([
  ['must match format "date-time"', 'must be a time of RFC 3339 with its offset, such as 2026-11-23T10:15:00Z'],
])

function violationOf({ path = '', message = 'is not what the contract says' }: Found): Violation {
  const [, part = 'body', rest = ''] = /^\/?(body|query|params|headers|cookies)?(.*)$/s.exec(path) ?? []
  return { in: parts[part] ?? 'body', pointer: rest, message: plainMessages.get(message) ?? message }
}
