import { randomInt } from 'node:crypto'
import { expect, it } from 'vitest'
import { openDatabase } from '../../src/db/pool.ts'
import { freePort, isReady, pause } from '../faults/processes.ts'
import { type Ledger, newLedger, nothingWrong, openSender, tally } from '../faults/sender.ts'
import { amount, isLong } from '../long.ts'
import { until } from '../patience.ts'
import { randomFrom, seed } from '../seed.ts'
import { type Reply, send } from '../service.ts'
import { checkOutVersionBefore, needs } from './needs.ts'
import { type Disk, openDisk, type Running } from './power.ts'

const minutes = 60_000
const lanes = 6
const batchLeads = 20
const leadsBetweenCuts = amount(100, 500)
const pauseMsMax = 1_500

const disk = ['root', 'setpriv', 'ext4 loop device', 'xfs reflink in a mount namespace'] as const

/** Moments of a first start that can be seen from outside, in their order. */
const firstMoments = [
  'DATA_DIR is there',
  'initdb is at work',
  'the cluster has its name',
  'PostgreSQL answers',
  'a migration is applied',
  'the secrets are there',
  'the first admin is there',
  'ready',
  'an API key was answered',
  'a token was answered',
] as const
type FirstMoment = (typeof firstMoments)[number]
/** Those without which there is nobody to send leads. */
const neededMoments: readonly FirstMoment[] = ['ready', 'an API key was answered', 'a token was answered']

interface Admin {
  email: string
  password: string
}

/** What somebody was told, and may count on. */
interface Known {
  admin?: Admin
  session?: string
  /** API keys. */
  website?: string
  dms?: string
  /** An access token of the last. */
  token?: string
}

interface Cut {
  moment: string
  seconds: number
  image: string
  /** Before the cut was made. */
  known: Known
  acknowledged: Ledger['acknowledged']
  /** When it was made. */
  begun: Ledger['begun']
}

interface Version {
  root: string
  /** A command that takes away what it does to keep what it writes. What the first start made is then kept by us. */
  wrapper?: readonly string[]
}

/** A service from its very first start on, then under load, with the power cut at the moments that are wanted. */
async function live(
  disk: Disk,
  env: Record<string, string>,
  { root, wrapper }: Version,
  wanted: readonly FirstMoment[],
  underLoad: number,
): Promise<Cut[]> {
  const cuts: Cut[] = []
  const known: Known = {}
  const ledger = newLedger()
  const startedAt = performance.now()
  const cut = async (moment: string) => {
    const seconds = (performance.now() - startedAt) / 1000
    const before = { known: { ...known }, acknowledged: new Map(ledger.acknowledged) }
    const image = await disk.cut()
    cuts.push({ moment, seconds, image, ...before, begun: new Set(ledger.begun) })
  }
  const service = disk.start(root, env, wrapper)
  const url = env['PUBLIC_URL'] ?? ''
  const has = (name: string) => disk.names('data').includes(name)
  const comes: Record<FirstMoment, () => unknown> = {
    'DATA_DIR is there': () => disk.names('').includes('data'),
    'initdb is at work': () => disk.names('data').some((name) => disk.names(`data/${name}`).includes('base')),
    'the cluster has its name': () => has('postgres'),
    'PostgreSQL answers': () => has('owner.json') && disk.read('data/owner.json').includes('connection'),
    'a migration is applied': () => service.lines.some(({ msg }) => msg.startsWith('applied ')),
    'the secrets are there': () => has('secrets'),
    'the first admin is there': () => has('first-admin'),
    ready: () => isReady(url),
    'an API key was answered': async () => {
      const admin = adminIn(service.told())
      if (admin) known.admin = admin
      const session = await signIn(url, admin)
      if (session) known.session = session
      const keyOf = async (kind: string) =>
        (await send(`${url}/v1/api-keys`, 'POST', { token: session ?? '', body: { name: kind, kind } })).body.secret
      known.website = await keyOf('digital_requests')
      known.dms = await keyOf('extensive_integrations')
      return true
    },
    'a token was answered': async () => {
      known.token = (await exchange(url, known.dms)).body.access_token
      return true
    },
  }
  for (const moment of firstMoments) {
    if (![...wanted, ...neededMoments].includes(moment)) continue
    await until(async () => {
      if (service.hasEnded()) throw new Error(`It ended: ${service.told()}`)
      return comes[moment]()
    })
    if (wanted.includes(moment)) await cut(moment)
  }

  if (wrapper) await disk.sync()

  let isOver = false
  const running = Array.from({ length: lanes }, async (_lane, lane) => {
    const random = randomFrom(seed + lane)
    const sender = openSender({ url, secret: known.website ?? '', ledger, random, keyed: true, impatience: 0 })
    for (let count = 0; !isOver; count++) {
      const name = `${lane}-${count}`
      if (lane === 0) await sender.deliverBatch(Array.from({ length: batchLeads }, (_, at) => `batch-${name}-${at}`))
      else await sender.deliver(name)
    }
  })
  try {
    for (let at = 0; at < underLoad; at++) {
      const leads = ledger.acknowledged.size + leadsBetweenCuts
      await until(() => ledger.acknowledged.size >= leads)
      await pause(randomInt(pauseMsMax))
      await cut('under load')
    }
  } finally {
    isOver = true
  }
  await Promise.all(running)
  await service.end()
  return cuts
}

const adminIn = (told: string): Admin | undefined => {
  const [, email, password] = /First admin +(\S+)\s+Password +(\S+)/.exec(told) ?? []
  return email && password ? { email, password } : undefined
}

const signIn = async (url: string, admin: Admin | undefined): Promise<string | undefined> =>
  (await send(`${url}/v1/session`, 'POST', { body: admin })).body?.access_token

const exchange = (url: string, key: string | undefined): Promise<Reply> =>
  send(`${url}/v1/auth/token`, 'POST', { headers: { 'x-api-key': key ?? '' } })

/** Starts the service on what a power cut left, and says all that is not as somebody was told. */
async function losses(disk: Disk, env: Record<string, string>, { root }: Version, cut: Cut): Promise<string[]> {
  await disk.mount(cut.image)
  const service = disk.start(root, env)
  try {
    await until(async () => service.hasEnded() || (await isReady(env['PUBLIC_URL'] ?? '')))
    if (service.hasEnded()) {
      const logged = service.lines.filter(({ level }) => level >= 60).map(({ msg }) => msg)
      return [`it does not start: ${service.told().trim() || logged.join('; ')}`]
    }
    return await lossesOf(disk, env['PUBLIC_URL'] ?? '', service, cut)
  } catch (error) {
    return [`it does not work: ${String(error)}`]
  } finally {
    await service.end()
  }
}

async function lossesOf(disk: Disk, url: string, service: Running, cut: Cut): Promise<string[]> {
  const { known } = cut
  const lost: string[] = []
  const mustBe = async (status: number, what: string, reply: Promise<Reply>) => {
    const answer = await reply
    if (answer.status !== status) lost.push(`${what}: ${answer.status}`)
    return answer
  }

  // Nobody who can sign in means nobody who ever can.
  const admin = known.admin ?? (JSON.parse(disk.read('data/first-admin')) as Admin)
  const session = await signIn(url, admin)
  if (!session) lost.push('the first admin cannot sign in')
  const key = await mustBe(
    201,
    'no API key can be made',
    send(`${url}/v1/api-keys`, 'POST', { token: session ?? '', body: { name: 'After', kind: 'digital_requests' } }),
  )
  for (const [what, one] of Object.entries({ 'a session': known.session, 'a token': known.token }))
    if (one) await mustBe(200, `${what} is dead`, send(`${url}/v1/me`, 'GET', { token: one }))
  for (const one of [known.website, known.dms]) if (one) await mustBe(200, 'an API key is dead', exchange(url, one))
  if (lost.length > 0) return lost

  // Whoever was not answered sends again, and somebody new begins.
  const ledger = { ...newLedger(), begun: cut.begun, acknowledged: cut.acknowledged }
  const sender = (secret: string) => openSender({ url, secret, ledger, random: () => 0.5, keyed: true, impatience: 0 })
  await sender(key.body.secret).deliver('after')
  const open = [...cut.begun].filter((message) => !cut.acknowledged.has(message))
  const batch = open.filter((message) => message.startsWith('batch'))
  if (batch.length > 0) await sender(known.website ?? '').deliverBatch(batch)
  for (const message of open) if (!batch.includes(message)) await sender(known.website ?? '').deliver(message)

  const { connection } = JSON.parse(disk.read('data/owner.json'))
  const { db, close } = openDatabase(connection, () => undefined)
  try {
    const { lost: leadsLost, doubled, ...others } = await tally(db, await db('dealers').pluck('id'), ledger, true)
    if (leadsLost.length > 0) lost.push(`${leadsLost.length} leads lost`)
    if (doubled.length > 0) lost.push(`${doubled.length} leads doubled`)
    expect(others).toEqual({ ...nothingWrong, lost: undefined, doubled: undefined })
  } finally {
    await close()
  }
  const errors = service.lines.filter(({ level }) => level >= 50).map(({ msg }) => msg)
  return [...lost, ...errors, ...ledger.unexpected]
}

/** Each cut, and what it lost. */
async function suffered(
  before: Version,
  after: Version,
  wanted: readonly FirstMoment[],
  underLoad: number,
): Promise<string[][]> {
  const disk = await openDisk()
  const port = String(await freePort())
  const env = { PORT: port, PUBLIC_URL: `http://127.0.0.1:${port}`, DRAIN_SECONDS: '0' }
  const cuts = await live(disk, env, before, wanted, underLoad)
  const found: string[][] = []
  for (const cut of cuts) {
    const acknowledged = cut.acknowledged.size
    const begun = cut.begun.size
    const startedAt = performance.now()
    const lost = await losses(disk, env, after, cut)
    const took = (performance.now() - startedAt) / 1000
    found.push(lost)
    console.log(
      `${cut.seconds.toFixed(2).padStart(6)} s  ${cut.moment.padEnd(24)}  ${acknowledged} of ${begun} leads acknowledged; looked at in ${took.toFixed(1)} s: ${lost.join('; ') || 'nothing lost'}`,
    )
  }
  return found
}

const here: Version = { root: '.' }
const short: readonly FirstMoment[] = ['the secrets are there', 'the first admin is there', 'a token was answered']

it(
  'starts after a power cut at any moment from the first start on, with all that it acknowledged',
  { ...needs(...disk), timeout: 15 * minutes },
  async () => {
    const found = await suffered(here, here, isLong ? firstMoments : short, amount(1, 10))
    expect(found).toEqual(Array.from({ length: amount(4, 20) }, () => []))
  },
)

// Controls: what the test must see.

it('loses leads whose syncs did nothing', { ...needs(...disk, 'eatmydata'), timeout: 15 * minutes }, async () => {
  const unsynced = { ...here, wrapper: ['eatmydata'] }
  const found = await suffered(unsynced, here, [], amount(1, 4))
  for (const lost of found) expect(lost).toEqual([expect.stringMatching(/^\d+ leads lost$/)])
})

it(
  'is dead for ever where the version before was cut off just after its first start',
  { ...needs('LONG=1', 'git history', ...disk), timeout: 15 * minutes },
  async () => {
    const before = { root: checkOutVersionBefore() }
    const found = await suffered(before, before, neededMoments, 0)
    for (const lost of found) expect(lost).toEqual([expect.stringContaining('SECRET_KEYS is not the one')])
  },
)
