import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { check } from 'recheck'
import ts from 'typescript'
import { parse } from 'yaml'

/**
 * Every regular expression of the service, and every pattern of the contract, takes a time that grows with the text and
 * not faster: recheck says so, or `expressions.json` says what bounds the text. The verdicts of recheck, which takes
 * its time, are kept there, too; `node test/expressions.ts write` adds what is new and leaves out what is gone.
 */
interface Known {
  /** By the expression, what keeps it from being slow where recheck does not find that it is fast. */
  bounded: Record<string, string>
  safe: string[]
}

const timeoutMs = 60_000
const root = new URL('..', import.meta.url).pathname
const path = new URL('expressions.json', import.meta.url)
const known: Known = JSON.parse(readFileSync(path, 'utf8'))

const found = new Map<string, { source: string; flags: string; at: string }>()
const add = ({ source, flags }: { source: string; flags: string }, at: string) => {
  const text = `/${source}/${flags}`
  if (!found.has(text)) found.set(text, { source, flags, at })
}

// The dashboard's run in the browser of whoever types.
for (const file of globSync('src/**/*.ts', { cwd: root })) {
  if (file.startsWith('src/dashboard/')) continue
  const tree = ts.createSourceFile(file, readFileSync(root + file, 'utf8'), ts.ScriptTarget.Latest, true)
  const visit = (node: ts.Node): void => {
    const at = `${file}:${tree.getLineAndCharacterOfPosition(node.getStart()).line + 1}`
    const [, source, flags] = ts.isRegularExpressionLiteral(node) ? (/^\/(.*)\/(\w*)$/s.exec(node.text) ?? []) : []
    if (source !== undefined && flags !== undefined) add({ source, flags }, at)
    ts.forEachChild(node, visit)
  }
  visit(tree)
}

// What is put together is so when its file is loaded.
const Original = RegExp
globalThis.RegExp = new Proxy(Original, {
  construct(made, args) {
    const expression = Reflect.construct(made, args) as RegExp
    const at = new Error().stack?.split('\n').find((line) => line.includes('/src/') && !line.includes('node_modules'))
    if (at !== undefined) add(expression, relative(root, at.replace(/^.*file:\/\//, '').replace(/:\d+\)?$/, '')))
    return expression
  },
})
await import('../src/handlers.ts')
globalThis.RegExp = Original

const nodes = new Set<unknown>([parse(readFileSync(`${root}generated/openapi.yaml`, 'utf8'))])
for (const node of nodes) {
  if (!(node instanceof Object)) continue
  if ('pattern' in node && typeof node.pattern === 'string') add({ source: node.pattern, flags: 'u' }, 'the contract')
  for (const inner of Object.values(node)) nodes.add(inner)
}

const faults: string[] = []
const safe: string[] = []
for (const [text, { source, flags, at }] of found) {
  if (text in known.bounded) continue
  if (known.safe.includes(text)) {
    safe.push(text)
    continue
  }
  const verdict = await check(source, flags, { timeout: timeoutMs })
  if (verdict.status === 'safe') safe.push(text)
  else
    faults.push(`${at}: ${text} is ${verdict.status === 'vulnerable' ? verdict.complexity.summary : 'not understood'}`)
}
if (process.argv[2] === 'write') {
  const bounded = Object.fromEntries(Object.entries(known.bounded).filter(([text]) => found.has(text)))
  writeFileSync(path, `${JSON.stringify({ bounded, safe: safe.sort() }, undefined, 2)}\n`)
} else for (const text of Object.keys(known.bounded)) if (!found.has(text)) faults.push(`${text} is gone`)
for (const fault of faults) console.error(fault)
process.exit(faults.length > 0 ? 1 : 0)
