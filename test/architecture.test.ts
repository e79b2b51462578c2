import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { expect, it } from 'vitest'

interface Room {
  name: string
  tables: string[]
  parts: string[]
}

/** The rooms from the ground up, as ARCHITECTURE lists them: the table there is the one list. */
const rooms: Room[] = readFileSync('.github/ARCHITECTURE.md', 'utf8')
  .split('\n')
  .map((line) => line.split('|').slice(1, -1))
  .filter(([first = '']) => /^ `[a-z-]+` *$/.test(first))
  .map(([name = '', , tables = '', parts = '']) => ({
    name: words(name)[0] ?? '',
    tables: words(tables),
    parts: words(parts),
  }))
const heightOf = (path: string) => rooms.findIndex(({ name }) => path.startsWith(`src/${name}/`))
const roomFiles = `src/(${rooms.map(({ name }) => name).join('|')})`
const roomParts = rooms.flatMap(({ name, parts }) => parts.map((part) => `${name}/${part}`)).join('|')

/**
 * The arrow, area by area: its files, and the areas that they may import, be it types only. A file is of the first area
 * that it fits.
 */
const areas: Record<string, { files: RegExp; imports: string[] }> = {
  contract: { files: /^openapi\//, imports: ['contract'] },
  generatedClient: { files: /^generated\/client\//, imports: ['generatedClient'] },
  generatedDashboard: { files: /^generated\/dashboard\//, imports: ['generatedDashboard'] },
  // What the contract says in numbers is a word like any other.
  word: {
    files:
      /^(src\/(?!(app|config|data-dir|handlers|main|prepare|service|sweeps|workers)\.ts)[a-z-]+|generated\/server\/(limits|scopes)\.gen)\.ts$/,
    imports: ['word'],
  },
  generatedServer: { files: /^generated\/server\//, imports: ['generatedServer', 'word'] },
  config: { files: /^src\/(config|data-dir)\.ts$/, imports: ['word'] },
  main: {
    files: /^src\/(main|prepare|workers)\.ts$/,
    imports: ['main', 'config', 'service', 'http', 'docs', 'part', 'store', 'noun', 'database', 'word'],
  },
  cli: {
    files: /^src\/cli\//,
    imports: ['cli', 'config', 'client', 'generatedDashboard', 'part', 'store', 'noun', 'database', 'word'],
  },
  service: {
    files: /^src\/(app|service|sweeps)\.ts$/,
    imports: ['service', 'generatedServer', 'http', 'allHandlers', 'part', 'store', 'noun', 'database', 'word'],
  },
  http: { files: /^src\/http\//, imports: ['http', 'generatedServer', 'part', 'noun', 'database', 'word'] },
  docs: { files: /^src\/docs\//, imports: ['docs', 'generatedServer', 'noun', 'word'] },
  dashboard: { files: /^src\/dashboard\//, imports: ['dashboard', 'client', 'generatedDashboard'] },
  client: { files: /^src\/client\//, imports: ['client', 'generatedClient'] },
  database: { files: /^src\/db\//, imports: ['database', 'word'] },
  allHandlers: { files: /^src\/handlers\.ts$/, imports: ['generatedServer', 'handlers', 'part', 'store', 'word'] },
  handlers: {
    files: new RegExp(`^${roomFiles}/(intake-)?handlers\\.ts$`),
    imports: ['generatedServer', 'part', 'store', 'noun', 'word'],
  },
  part: {
    files: new RegExp(`^src/(${roomParts})\\.ts$`),
    imports: ['generatedServer', 'part', 'store', 'noun', 'database', 'word'],
  },
  store: { files: new RegExp(`^${roomFiles}/store\\.ts$`), imports: ['generatedServer', 'noun', 'word'] },
  noun: { files: new RegExp(`^${roomFiles}/[^/]+\\.ts$`), imports: ['generatedServer', 'noun', 'word'] },
}

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
    return { path, text, code, area: areaOf(path), imports: importsIn(path, text), loads: importsIn(path, code) }
  })
const source = modules.filter(({ path }) => path.startsWith('src/'))

it('has an area for every file', () => {
  expect(modules.filter(({ area }) => area === undefined).map(({ path }) => path)).toEqual([])
})

it('lets no import point back', () => {
  const back = modules.flatMap(({ path, area = '', imports }) =>
    imports
      .filter((to) => isOurs(to) && !areas[area]?.imports.includes(areaOf(to) ?? ''))
      .map((to) => `${path} -> ${to}`),
  )
  expect(back).toEqual([])
})

it('lists every room, and of each the files that are neither handlers, rules nor SQL', () => {
  const folders = ['cli', 'client', 'dashboard', 'db', 'docs', 'http']
  const found = readdirSync('src', { withFileTypes: true }).filter((entry) => entry.isDirectory())
  expect(rooms.map(({ name }) => name).toSorted()).toEqual(
    found
      .map(({ name }) => name)
      .filter((name) => !folders.includes(name))
      .toSorted(),
  )
  const listed = rooms.flatMap(({ name, parts }) => parts.map((part) => `src/${name}/${part}.ts`))
  expect(listed.filter((path) => !source.some((module) => module.path === path))).toEqual([])
})

it('lets a room know the rooms below it alone', () => {
  const up = source.flatMap(({ path, imports }) =>
    heightOf(path) === -1 ? [] : imports.filter((to) => heightOf(to) > heightOf(path)).map((to) => `${path} -> ${to}`),
  )
  expect(up).toEqual([])
})

it('lets a room name its own tables and those below it alone', () => {
  const inRooms = source.filter(({ path }) => heightOf(path) !== -1)
  const up = inRooms.flatMap(({ path, text }) => {
    const strings = stringsIn(text)
    const above = rooms.slice(heightOf(path) + 1).flatMap(({ tables }) => tables)
    return above.filter((table) => isNamed(table, strings)).map((table) => `${path}: ${table}`)
  })
  expect(up).toEqual([])
})

it('gives every table to one room', () => {
  const made = readdirSync('src/db/migrations').flatMap((name) =>
    [
      ...readFileSync(join('src/db/migrations', name), 'utf8').matchAll(
        /create (?:unlogged )?table (?:if not exists )?(\w+)/g,
      ),
    ].map(([, table = '']) => table),
  )
  // What db/ writes to find out whether it can.
  const ofNoRoom = ['readiness']
  expect([...rooms.flatMap(({ tables }) => tables), ...ofNoRoom].toSorted()).toEqual([...new Set(made)].toSorted())
})

it('goes round in no circle', () => {
  expect(circles('imports')).toEqual([])
})

it('opens the database in db/ alone: everybody else is handed it, and names its types', () => {
  expect(importersOf(/^(knex|pg)$/, 'loads')).toEqual([
    'src/db/connections.ts',
    'src/db/embedded/server.ts',
    'src/db/migrate.ts',
    'src/db/pool.ts',
    'src/db/requirements.ts',
  ])
  expect(importersOf(/^(knex|pg)$/, 'imports', 'noun')).toEqual([])
})

it('lets nobody wait for a clock inside a transaction of their own: requests hold clocks by tokens/clocks.ts', () => {
  const named = (pattern: RegExp) => source.filter(({ code }) => pattern.test(code)).map(({ path }) => path)
  expect(named(/\.transaction\(/)).toEqual([
    'src/db/turn.ts',
    'src/notices/notifier.ts',
    'src/passkeys/operator.ts',
    'src/tokens/clocks.ts',
    'src/tokens/keyring.ts',
    'src/users/operator.ts',
  ])
  expect(named(/\blockDealer\(/)).toEqual([
    'src/api-keys/coming-scopes.ts',
    'src/linking/linker.ts',
    'src/passkeys/operator.ts',
    'src/tokens/clocks.ts',
    'src/tokens/store.ts',
    'src/users/operator.ts',
  ])
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

it('runs without the packages for development, but for the mock; the dashboard is built', () => {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync('package.json', 'utf8'))
  const named = (code: string) => [...code.matchAll(/\bresolve\(['"]([^'"]+)['"]\)/g)].map(([, name = '']) => name)
  const packageOf = (name: string) => name.split('/', name.startsWith('@') ? 2 : 1).join('/')
  const loaded = modules
    .filter(({ path }) => /^(src|generated)\//.test(path) && !/^(src|generated)\/dashboard\//.test(path))
    .flatMap(({ path, code, loads }) => [...loads, ...named(code)].map((name) => ({ path, name })))
    .filter(({ name }) => !isOurs(name) && !name.startsWith('node:'))
    .map(({ path, name }) => ({ path, name: packageOf(name) }))
  const isThere = (name: string) => name in dependencies || name in optionalDependencies
  expect(loaded.filter(({ name }) => !isThere(name))).toEqual([
    { path: 'src/cli/mock.ts', name: '@stoplight/prism-cli' },
  ])
  // What nobody loads is not there.
  const names = new Set(loaded.map(({ name }) => name))
  expect(Object.keys(dependencies).filter((name) => !names.has(name))).toEqual([])
})

function isOurs(name: string): boolean {
  return /^(openapi|generated|src|test)\//.test(name)
}

function areaOf(path: string): string | undefined {
  return Object.keys(areas).find((area) => areas[area]?.files.test(path))
}

/** What stands between backticks. */
function words(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word)
}

/** Whether one of the strings is the table, perhaps by another name, or is SQL that reads or writes it. */
function isNamed(table: string, strings: readonly string[]): boolean {
  const whole = new RegExp(`^${table}( as \\w+)?$`)
  const inside = new RegExp(`\\b(from|join|into|update|only)\\s+${table}\\b`)
  return strings.some((text) => whole.test(text) || inside.test(text))
}

function stringsIn(code: string): string[] {
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      found.push(node.text)
    node.forEachChild(visit)
  }
  visit(ts.createSourceFile('', code, ts.ScriptTarget.ESNext))
  return found
}

/** Whatever `text` imports, exports from elsewhere or takes a type from: packages by name, ours by path. */
function importsIn(path: string, text: string): string[] {
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) => (fileName.startsWith('.') ? join(dirname(path), fileName) : fileName))
}

/** The files of src/ whose imports, or what is left of them at run time, fit `pattern`. */
function importersOf(pattern: RegExp, edges: 'imports' | 'loads', area?: string): string[] {
  return source
    .filter(
      (module) => (area === undefined || module.area === area) && module[edges].some((name) => pattern.test(name)),
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
