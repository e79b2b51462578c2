import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

/** The arrow, part by part: its files, and the parts that they may import, be it types only. A file is of the first part that it fits. */
const parts: Record<string, { files: RegExp; imports: string[] }> = {
  contract: { files: /^openapi\//, imports: ['contract'] },
  generatedServer: { files: /^generated\/server\//, imports: ['generatedServer', 'word'] },
  generatedClient: { files: /^generated\/client\//, imports: ['generatedClient'] },
  word: {
    files: /^src\/(operation|problem|ids|secrets|address|same-origin|user-agent|log|parts)\.ts$/,
    imports: ['word'],
  },
  config: { files: /^src\/(config|data-dir)\.ts$/, imports: ['word'] },
  main: {
    files: /^src\/(main|prepare|workers)\.ts$/,
    imports: ['main', 'config', 'service', 'http', 'docs', 'work', 'store', 'database', 'word'],
  },
  cli: { files: /^src\/cli\//, imports: ['cli', 'config', 'client', 'work', 'store', 'noun', 'database', 'word'] },
  service: {
    files: /^src\/(app|service)\.ts$/,
    imports: ['service', 'generatedServer', 'http', 'allHandlers', 'work', 'store', 'noun', 'database', 'word'],
  },
  http: { files: /^src\/http\//, imports: ['http', 'generatedServer', 'work', 'noun', 'database', 'word'] },
  docs: { files: /^src\/docs\//, imports: ['docs', 'generatedServer', 'noun', 'word'] },
  dashboard: { files: /^src\/dashboard\//, imports: ['dashboard', 'client'] },
  client: { files: /^src\/client\//, imports: ['client', 'generatedClient'] },
  database: { files: /^src\/db\//, imports: ['database'] },
  allHandlers: { files: /^src\/handlers\.ts$/, imports: ['generatedServer', 'handlers'] },
  // Rooms. What a room does outside its handlers has transactions, timers or state; everything else that it has is rules.
  handlers: { files: /^src\/[^/]+\/handlers\.ts$/, imports: ['generatedServer', 'work', 'store', 'noun', 'word'] },
  work: {
    files:
      /^src\/(api-keys\/secrets|requests\/recorder|tokens\/fresh|sources\/watcher|audit\/audit|feed\/feed|leads\/intake|notices\/matter|notices\/notifier|outbox\/link-mail|outbox\/sender|tokens\/keyring|tokens\/liveness|users\/admin|users\/attempts|users\/links)\.ts$/,
    imports: ['generatedServer', 'work', 'store', 'noun', 'database', 'word'],
  },
  store: { files: /^src\/[^/]+\/store\.ts$/, imports: ['generatedServer', 'noun', 'word'] },
  noun: { files: /^src\/[^/]+\/[^/]+\.ts$/, imports: ['generatedServer', 'noun', 'word'] },
}

const exceptions = [
  // The address of the bundle.
  'src/docs/pages.ts -> src/http/contract.ts',
]

const modules = ['openapi', 'generated', 'src']
  .flatMap((folder) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)))
  .filter((path) => /\.tsx?$/.test(path))
  .sort()
  .map((path) => {
    const text = readFileSync(path, 'utf8')
    const options = {
      verbatimModuleSyntax: true,
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ESNext,
      removeComments: true,
    }
    const code = ts.transpileModule(text, { compilerOptions: options }).outputText
    return { path, code, part: partOf(path), imports: importsIn(path, text), loads: importsIn(path, code) }
  })
const source = modules.filter(({ path }) => path.startsWith('src/'))

it('has a part for every file', () => {
  expect(modules.filter(({ part }) => part === undefined).map(({ path }) => path)).toEqual([])
})

it('lets no import point back', () => {
  const back = modules.flatMap(({ path, part = '', imports }) =>
    imports
      .filter((to) => isOurs(to) && !parts[part]?.imports.includes(partOf(to) ?? ''))
      .map((to) => `${path} -> ${to}`),
  )
  expect(back).toEqual(exceptions.toSorted())
})

it('goes round in no circle', () => {
  expect(circles('imports')).toEqual([])
})

it('opens the database in db/ alone: everybody else is handed it, and names its types', () => {
  expect(importersOf(/^(knex|pg)$/, 'loads')).toEqual([
    'src/db/embedded/server.ts',
    'src/db/migrate.ts',
    'src/db/pool.ts',
  ])
  expect(importersOf(/^(knex|pg)$/, 'imports', 'noun')).toEqual([])
})

it('keeps rules from files, the network and the log', () => {
  expect(
    importersOf(
      /^node:(child_process|cluster|fs|http|https|net|process|timers|worker_threads)\b|^(express|pino)/,
      'imports',
      'noun',
    ),
  ).toEqual([])
})

it('hides Express from the rooms', () => {
  expect(
    importersOf(/^express/, 'imports').filter(
      (path) => !/^src\/(http\/|app\.ts|service\.ts|docs\/(pages|dashboard)\.ts)/.test(path),
    ),
  ).toEqual([])
})

it('reads the environment in config.ts alone', () => {
  const given = 'readConfig(process.env)'
  expect(source.filter(({ code }) => code.includes(given)).map(({ path }) => path)).toEqual([
    'src/cli/settings.ts',
    'src/main.ts',
  ])
  // PostgreSQL inherits the environment, and the process that owns it tells the others where it is.
  const others = source.filter(
    ({ code, imports }) => code.replaceAll(given, '').includes('process.env') || imports.includes('node:process'),
  )
  expect(others.map(({ path }) => path)).toEqual(['src/db/embedded/account.ts', 'src/workers.ts'])
})

function isOurs(name: string): boolean {
  return /^(openapi|generated|src|test)\//.test(name)
}

function partOf(path: string): string | undefined {
  return Object.keys(parts).find((part) => parts[part]?.files.test(path))
}

/** Whatever `text` imports, exports from elsewhere or takes a type from: packages by name, ours by path. */
function importsIn(path: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) => (fileName.startsWith('.') ? join(dirname(path), fileName) : fileName))
}

/** The files of src/ whose imports, or what is left of them at run time, fit `pattern`. */
function importersOf(pattern: RegExp, edges: 'imports' | 'loads', part?: string): string[] {
  return source
    .filter(
      (module) => (part === undefined || module.part === part) && module[edges].some((name) => pattern.test(name)),
    )
    .map(({ path }) => path)
}

function circles(edges: 'imports' | 'loads'): string[] {
  const next = new Map(source.map((module) => [module.path, module[edges]]))
  const found: string[] = []
  const seen = new Set<string>()
  const visit = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) found.push([...way.slice(way.indexOf(path)), path].join(' -> '))
    if (seen.has(path)) return
    seen.add(path)
    for (const to of next.get(path) ?? []) visit(to, [...way, path])
  }
  for (const path of next.keys()) visit(path, [])
  return found
}
