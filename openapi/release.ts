import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { parse, stringify } from 'yaml'
import { canCompare, changesBetween, type Document } from './changes.ts'

// npm run release: what integrators are handed now is what they may rely on from now on.
// With `check`, whether what they could rely on is still so; with `changelog`, what they are told of what has changed.

const handedOut = 'generated/integrators.yaml'
const released = 'openapi/released/v1.yaml'
/** What is told of each release, the newest first; sentences may be made better by hand. */
const releases = 'openapi/released/changelog.yaml'
/** The same, and what came since the last release. */
const changelog = 'generated/changelog.yaml'

// Of a document.
const bytesMax = 64 * 1024 * 1024

interface Entry {
  /** Absent of what is not released yet. */
  date?: string
  changes: string[]
}

const advice = `Leave what is there as it is and put the new beside it: another member, another operation, another value where more may come;
say of the old that it is deprecated. What cannot be done so belongs to a version 2. To edit ${released}
does not help: what it promised is read from the history.`

const read = (path: string): Document => parse(readFileSync(path, 'utf8'))
const readReleases = (): Entry[] => (existsSync(releases) ? parse(readFileSync(releases, 'utf8')) : [])
const fail = (...lines: string[]): never => {
  console.error(lines.join('\n'))
  process.exit(1)
}

/** What was promised last, and whether the file says it; undefined when nothing is released yet. */
function promised(): { held: Document; isKept: boolean } | undefined {
  const history = versionsInHistory()
  if (!existsSync(released)) {
    if (!history?.length) return undefined
    fail(`${released} is gone. Bring it back: git checkout HEAD -- ${released}`)
  }
  if (!history) console.log(`No whole git history is here: that ${released} itself was edited is not looked for.`)
  const file = read(released)
  const [first = file, ...others] = history ?? []
  let held = first
  // A version that breaks what was promised before it promises nothing: somebody edited it beside the break.
  for (const version of others) if (breaksNothing(held, version)) held = version
  return breaksNothing(held, file) ? { held: file, isKept: true } : { held, isKept: false }
}

const breaksNothing = (old: Document, next: Document) =>
  isDeepStrictEqual(old, next) || changesBetween(old, next).breaking.length === 0

/** Each version of the released document that was committed, the oldest first; undefined when they cannot be known. */
function versionsInHistory(): Document[] | undefined {
  const git = (...options: string[]) =>
    execFileSync('git', options, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: bytesMax }).trim()
  const lines = (text: string) => text.split('\n').filter(Boolean)
  try {
    if (git('rev-parse', '--is-shallow-repository') === 'true') return undefined
    const commits = lines(git('log', '--reverse', '--topo-order', '--full-history', '--format=%H', '--', released))
    // Where a commit took the file away there is none.
    const blobs = commits.flatMap((commit) => lines(git('ls-tree', '--object-only', commit, released)))
    return [...new Set(blobs)].map((blob) => parse(git('cat-file', 'blob', blob)))
  } catch {
    return undefined
  }
}

/** Ends the process when a client of what was promised would break. */
function requireNothingBroken(held: Document): void {
  const { breaking } = changesBetween(held, read(handedOut))
  if (breaking.length > 0) fail('Clients of version 1 would break:', ...breaking.map((line) => `- ${line}`), '', advice)
}

function check(): void {
  const promise = promised()
  if (!promise) return console.log('Nothing is released yet: all may change.')
  requireNothingBroken(promise.held)
  if (!promise.isKept) fail(`${released} promises less than it did. Put it right: npm run release`)
}

/** Writes what integrators are told anew: of each release, and of what came since. */
function writeChangelog(): void {
  const { additive } = existsSync(released) ? changesBetween(read(released), read(handedOut)) : { additive: [] }
  const since: Entry[] = additive.length > 0 ? [{ changes: additive }] : []
  writeFileSync(changelog, stringify([...since, ...readReleases()]))
}

function release(): void {
  const promise = promised()
  if (promise) requireNothingBroken(promise.held)
  const changes = promise ? changesBetween(promise.held, read(handedOut)).additive : ['Version 1.']
  const entry: Entry = { date: new Date().toISOString().slice(0, 10), changes }
  mkdirSync(dirname(released), { recursive: true })
  copyFileSync(handedOut, released)
  writeFileSync(releases, stringify(changes.length > 0 ? [entry, ...readReleases()] : readReleases()))
  writeChangelog()
}

const commands: Record<string, () => void> = { release, check, changelog: writeChangelog }
const command = commands[process.argv[2] ?? 'release'] ?? fail('release.ts takes `check`, `changelog` or nothing')
if (canCompare()) command()
else console.log('oasdiff has not come for this machine: nothing was compared with what is released.')
