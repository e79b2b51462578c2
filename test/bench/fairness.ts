import { fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { constants, setPriority } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { SMTPServer } from 'smtp-server'
import { newId } from '../../src/ids.ts'
import { addMails } from '../../src/outbox/store.ts'
import { atMost, type Goal, median, percentile, report } from './harness.ts'
import { type Dealer, fillLeads, leadInput, makeDealers, openPlace, type Place, startOurs } from './world.ts'

/**
 * What one dealer can do to another: reads, leads and health checks of the one at fixed times, each timed from when it
 * was to be sent, while the other does as much as it can of one thing, from a process of its own, and in turn with
 * nobody else there.
 */
const perSecond = 20
const seconds = Number(process.env['SECONDS'] ?? 15)
const rounds = Number(process.env['ROUNDS'] ?? 3)
const warmSeconds = 2
const leadsStored = 1_000
const mailsCount = 450
const mailMs = 145
const againMs = 1_000
const known = ['60 replacements', '2,000 streams', '450 mails', '200 sign-ins'] as const
type Attack = (typeof known)[number]
const attacks = known.filter((attack) => attack.includes(process.env['ONLY'] ?? ''))

const agent = new Agent({ keepAlive: true, maxSockets: 512 })

interface Asked {
  token?: string
  body?: object
}

function open(url: string, { token, body }: Asked): Promise<IncomingMessage | undefined> {
  const headers = {
    ...(token && { authorization: `Bearer ${token}` }),
    ...(body && { 'content-type': 'application/json' }),
  }
  return new Promise((resolve) =>
    request(url, { method: body ? 'POST' : 'GET', agent, headers }, resolve)
      .on('error', () => resolve(undefined))
      .end(body && JSON.stringify(body)),
  )
}

/** The status of an answer that was read to its end; 0 when there was none. */
async function send(url: string, asked: Asked): Promise<number> {
  const answer = await open(url, asked)
  if (!answer) return 0
  const over = once(answer.resume(), 'close')
  await over
  return answer.statusCode ?? 0
}

/** Goes on until it is ended. An attacker has machines of its own, so it takes only what is left of this one. */
async function attack(what: Attack, url: string, tokens: string[]): Promise<void> {
  setPriority(constants.priority.PRIORITY_LOW)
  const [token = ''] = tokens
  const lanes = (count: number, work: (lane: number) => Promise<number>) =>
    Promise.all(
      Array.from({ length: count }, async (_, lane) => {
        // Whoever is refused comes again, sooner than it was told to, and not all of them at the same moment.
        for (;;) if ((await work(lane)) !== 200) await sleep(againMs * (0.5 + Math.random()))
      }),
    )
  if (what === '60 replacements') await lanes(60, () => send(`${url}/v1/api-key/replacement`, { token, body: {} }))
  if (what === '200 sign-ins')
    await lanes(200, () => send(`${url}/v1/session`, { body: { email: tokens[0], password: tokens[1] } }))
  if (what === '2,000 streams')
    await lanes(2_000, async (lane) => {
      const answer = await open(`${url}/v1/events/stream`, { token: tokens[lane % tokens.length] ?? '' })
      if (answer) await once(answer.resume(), 'close')
      return 0
    })
}

const emailOf = (at: number) => `admin@dealer-${at}.example`
const password = 'a-password-for-the-bench'

interface Stretch {
  reads: number[]
  pushes: number[]
  health: number[]
  refused: number
}

interface Observed extends Stretch {
  invitationMs: number
}

async function stretch(url: string, { dms, website }: Dealer): Promise<Stretch> {
  const figures: Stretch = { reads: [], pushes: [], health: [], refused: 0 }
  const start = performance.now() + 200
  const timed = async (at: number, kept: number[], path: string, asked: Asked, wanted: number) => {
    const due = start + (at * 1000) / perSecond
    await sleep(due - performance.now())
    const status = await send(url + path, asked)
    if (at < warmSeconds * perSecond) return
    if (status !== wanted) figures.refused++
    kept.push(performance.now() - due)
  }
  await Promise.all(
    Array.from({ length: (warmSeconds + seconds) * perSecond }, (_, at) => [
      timed(at, figures.reads, '/v1/leads?limit=20', { token: dms }, 200),
      timed(at + 0.3, figures.pushes, '/v1/leads', { token: website, body: leadInput(at) }, 201),
      timed(at + 0.6, figures.health, '/healthz', {}, 200),
    ]).flat(),
  )
  const stream = await open(`${url}/v1/events/stream`, { token: dms })
  if (stream?.statusCode !== 200) figures.refused++
  stream?.destroy()
  return figures
}

/** How long it takes until an invitation of the dealer has been handed on. */
async function invite({ db }: Place, { dealerId }: Dealer): Promise<number> {
  const [mail] = await mailsOf(db, dealerId, 1)
  const started = performance.now()
  await addMails(db, dealerId, mail ? [mail] : [])
  while (!(await db('mails').where({ dealer_id: dealerId, dedupe: mail?.dedupe, state: 'sent' }).first()))
    await sleep(20)
  return performance.now() - started
}

async function mailsOf(db: Place['db'], dealerId: string, count: number) {
  const user = await db('users').where({ dealer_id: dealerId }).first()
  const deed = await db('audit_entries').where({ dealer_id: dealerId, action: 'api_key.created' }).first()
  return Array.from({ length: count }, () => ({
    user_id: user.id as string,
    kind: 'key_created' as const,
    data: { auditId: deed.id as string },
    dedupe: newId(),
  }))
}

async function main(): Promise<void> {
  const postOffice = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    logger: false,
    onData: (stream, _session, done) => void stream.resume().on('end', () => setTimeout(done, mailMs)),
  })
  await new Promise<void>((resolve) => void postOffice.listen(0, '127.0.0.1', resolve))
  const { port } = postOffice.server.address() as AddressInfo
  const place = await openPlace()
  const ours = await startOurs(place, {
    more: { SMTP_URL: `smtp://127.0.0.1:${port}`, MAIL_FROM: 'mail@service.example' },
  })
  const [victim, attacker] = await makeDealers(place, ours, 2)
  if (!victim || !attacker) throw new Error('There are no dealers')
  await fillLeads(place, victim.dealerId, leadsStored)
  const sessions: string[] = []
  while (sessions.length < 100) {
    const answer = await fetch(`${ours.url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: emailOf(1), password }),
    })
    sessions.push((await answer.json()).access_token)
  }
  const told: Record<Attack, string[]> = {
    '60 replacements': [attacker.website],
    '2,000 streams': sessions,
    '450 mails': [],
    '200 sign-ins': [emailOf(1), password],
  }

  const observe = async (): Promise<Observed> => ({
    ...(await stretch(ours.url, victim)),
    invitationMs: await invite(place, victim),
  })
  const observed = new Map(attacks.map((what) => [what, [] as { quiet: Observed; attacked: Observed }[]]))
  for (let round = 0; round < rounds; round++) {
    for (const what of attacks) {
      const quiet = await observe()
      if (what === '450 mails')
        await addMails(place.db, attacker.dealerId, await mailsOf(place.db, attacker.dealerId, mailsCount))
      const other = fork(import.meta.filename, [what, ours.url, ...told[what]])
      await sleep(500)
      observed.get(what)?.push({ quiet, attacked: await observe() })
      other.kill()
      if (other.exitCode === null && other.signalCode === null) await once(other, 'exit')
      await place.db('mails').where({ dealer_id: attacker.dealerId, state: 'due' }).delete()
      await sleep(3_000)
    }
  }
  agent.destroy()
  await ours.stop()
  await place.close()
  await new Promise<void>((resolve) => void postOffice.close(resolve))

  type Kept = 'reads' | 'pushes' | 'health'
  const of = (pairs: readonly { quiet: Observed; attacked: Observed }[], which: 'quiet' | 'attacked') => {
    const middle = (kept: Kept, share: number) => median(pairs.map((pair) => percentile(pair[which][kept], share)))
    return {
      readP50Ms: middle('reads', 0.5),
      readP99Ms: middle('reads', 0.99),
      pushP50Ms: middle('pushes', 0.5),
      pushP99Ms: middle('pushes', 0.99),
      healthP50Ms: middle('health', 0.5),
      healthP99Ms: middle('health', 0.99),
      invitationMs: median(pairs.map((pair) => pair[which].invitationMs)),
      refused: pairs.reduce((sum, pair) => sum + pair[which].refused, 0),
    }
  }
  const rows = [
    { kind: 'quiet', ...of([...observed.values()].flat(), 'quiet') },
    ...[...observed].map(([kind, pairs]) => ({ kind, ...of(pairs, 'attacked') })),
  ]
  const goals: Goal[] = [...observed].flatMap(([what, pairs]) => [
    ...(['reads', 'pushes', 'health'] as const).map((kept) => {
      const ratios = pairs.map(
        ({ quiet, attacked }) => percentile(attacked[kept], 0.99) / percentile(quiet[kept], 0.99),
      )
      return atMost(`p99 of ${kept}, ${what} / quiet`, median(ratios), 2)
    }),
    atMost(`refused, ${what}`, of(pairs, 'attacked').refused, 0),
  ])
  report('fairness', `${perSecond} reads, leads and health checks a second at fixed times, by Node`, rows, goals)
}

const [, , what, url = '', ...tokens] = process.argv
await (what === undefined ? main() : attack(what as Attack, url, tokens))
