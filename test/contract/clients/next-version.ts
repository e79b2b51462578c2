import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { parse } from 'yaml'

type Schema = {
  $ref?: string
  properties?: Record<string, Schema>
  items?: Schema
  'x-extensible-enum'?: string[]
}
type Media = Record<string, { schema: Schema }>
type Document = {
  paths: Record<string, Record<string, { responses: Record<string, { $ref?: string; content?: Media }> }>>
}

/** What stands where more values may come, and as an additional member of every object. */
export const valueOfNextVersion = 'of_the_next_version'

/** What says how one connection is used, not what is asked or answered. */
const ofConnection = new Set(
  'connection content-encoding content-length host http2-settings keep-alive transfer-encoding upgrade'.split(' '),
)

const document: Document = parse(readFileSync('generated/integrators.yaml', 'utf8'))

/**
 * The service as an integrator meets it a year after the client was generated: what the service at `url` answers, with
 * a new value wherever the document leaves room for one, and a new member in every object.
 */
export async function startNextVersion(url: string): Promise<{ url: string; close: () => void }> {
  const server = createServer((req, res) => {
    forward(url, req, res).catch(() => res.writeHead(502).end())
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const close = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

async function forward(url: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const method = req.method ?? 'GET'
  const chunks = await req.toArray()
  const answer = await fetch(url + req.url, {
    method,
    headers: Object.entries(req.headers)
      .filter(([name]) => !ofConnection.has(name))
      .map(([name, value]): [string, string] => [name, String(value)]),
    ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
  })
  const schema = schemaOf(new URL(url + req.url).pathname, method, answer)
  const body = Buffer.from(await answer.arrayBuffer())
  const sent = schema ? JSON.stringify(grown(schema, JSON.parse(body.toString()))) : body
  for (const [name, value] of answer.headers) if (!ofConnection.has(name)) res.setHeader(name, value)
  res.writeHead(answer.status).end(sent)
}

function schemaOf(path: string, method: string, { status, headers }: Response): Schema | undefined {
  const isOf = (template: string) => new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, '[^/]+')}$`).test(path)
  // A path without parameters comes before one with them.
  const [template] = Object.keys(document.paths)
    .filter(isOf)
    .sort((a, b) => a.split('{').length - b.split('{').length)
  const response = template && document.paths[template]?.[method.toLowerCase()]?.responses[String(status)]
  const mediaType = headers.get('content-type')?.split(';')[0] ?? ''
  return response && mediaType.endsWith('json') ? resolved(response).content?.[mediaType]?.schema : undefined
}

function grown(schema: Schema, value: unknown): unknown {
  const { properties = {}, items, 'x-extensible-enum': known } = resolved(schema)
  if (known) return valueOfNextVersion
  if (Array.isArray(value)) return items ? value.map((item) => grown(items, item)) : value
  if (!(value instanceof Object)) return value
  const members = Object.entries(value).map(([name, member]) => {
    const inner = properties[name]
    return [name, inner ? grown(inner, member) : member]
  })
  return { ...Object.fromEntries(members), addedLater: { by: valueOfNextVersion } }
}

function resolved<T extends { $ref?: string }>(node: T): T {
  if (!node.$ref) return node
  const target: unknown = node.$ref
    .slice(2)
    .split('/')
    .reduce<unknown>((at, key) => Object(at)[key], document)
  return resolved(target as T) // The document's references point to components of the right kind; redocly has checked them.
}
