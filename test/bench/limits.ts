import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { atMost, type Goal, generator, httpTarget, measure, percentile, ratio, report } from './harness.ts'
import { type Dealer, leadInput, leadsOf, makeDealers, openPlace, type Service, startOurs } from './world.ts'

/**
 * One key at ten times its limit, over four processes on one database: how many of its leads are taken, beside how many
 * the limit says, and what other keys notice. Then what counting costs a request: the same processes with the limits
 * off and with limits that are never reached, in turn.
 */
const processesCount = 4
const perSecond = 50
const most = 200
const seconds = Number(process.env['SECONDS'] ?? 20)
const timesOver = 10
const othersPerSecond = 20
const tickMs = 20
const rounds = 5
const connections = 16
// Tokens hold at all processes.
const PUBLIC_URL = 'http://localhost:3000'

const place = await openPlace()
const start = (LIMITS: string) => startOurs(place, { more: { PUBLIC_URL, LIMITS } })
const goals: Goal[] = []

const limited: Service[] = []
while (limited.length < processesCount) limited.push(await start(`leads=${perSecond}/${most}`))
const [first] = limited
if (!first) throw new Error('There is no process')
const dealers = await makeDealers(place, first, 5)
const [hot, ...others] = dealers as [Dealer, ...Dealer[]]

const agent = new Agent({ keepAlive: true })
function push(service: Service, token: string, at: number): Promise<{ status: number; ms: number }> {
  const body = JSON.stringify(leadInput(at))
  const began = performance.now()
  return new Promise((resolve, reject) => {
    const sent = request(
      `${service.url}/v1/leads`,
      {
        method: 'POST',
        agent,
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (answer) => {
        answer.resume()
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, ms: performance.now() - began }))
      },
    )
    sent.once('error', reject)
    sent.end(body)
  })
}

/** Sends so many a second, whether or not they are answered, to one process after the other. */
async function openLoop(rate: number, tokens: readonly string[]) {
  const answers: Promise<{ status: number; ms: number }>[] = []
  const began = performance.now()
  for (let due = 0; performance.now() - began < seconds * 1000; await sleep(tickMs)) {
    const until = (Math.min(seconds * 1000, performance.now() - began) / 1000) * rate
    for (; due < until; due++)
      answers.push(push(limited[due % limited.length] ?? limited[0]!, tokens[due % tokens.length] ?? '', due))
  }
  const all = await Promise.all(answers)
  const took = all.filter(({ status }) => status < 300)
  return {
    sent: all.length,
    taken: took.length,
    refused: all.filter(({ status }) => status === 429).length,
    other: all.length - took.length - all.filter(({ status }) => status === 429).length,
    p50: percentile(
      took.map(({ ms }) => ms),
      0.5,
    ),
    p99: percentile(
      took.map(({ ms }) => ms),
      0.99,
    ),
    seconds: (performance.now() - began) / 1000,
  }
}

const othersTokens = others.map(({ website }) => website)
await openLoop(othersPerSecond, othersTokens)
const quiet = await openLoop(othersPerSecond, othersTokens)
const [fired, beside] = await Promise.all([
  openLoop(perSecond * timesOver, [hot.website]),
  openLoop(othersPerSecond, othersTokens),
])
const allowed = most + perSecond * fired.seconds
report(
  'limits-counted',
  `${perSecond} leads a second and ${most} at once allowed, ${timesOver} times as many sent over ${processesCount} processes`,
  [
    { kind: 'others, quiet', ...quiet },
    { kind: 'one key over its limit', ...fired, allowed },
    { kind: 'others meanwhile', ...beside },
  ],
  [
    atMost('taken beside allowed, off by', Math.abs(fired.taken / allowed - 1), 0.1),
    atMost('leads of others that were refused', beside.refused + beside.other, 0),
  ],
)
await Promise.all(limited.map((service) => service.stop()))

const never = 'leads=100000/1000000,reads=100000/1000000,bytes=1000000000000'
const services = { off: await start('off'), on: await start(never) }
const costs = async (what: string, requests: Parameters<typeof httpTarget>[2]) => {
  const measured = await measure(
    (['off', 'on'] as const).map((kind) =>
      httpTarget(
        { kind, pid: services[kind].pid, databasePid: place.databasePid },
        services[kind].url,
        requests,
        connections,
      ),
    ),
    { rounds, seconds: 4 },
  )
  goals.push(atMost(`${what}: CPU with limits / without`, ratio(measured, 'cpuUs', 'on', 'off'), 1.02))
  goals.push(atMost(`${what}: CPU of the database`, ratio(measured, 'databaseCpuUs', 'on', 'off'), 1.02))
  return measured.map((row) => ({ ...row, kind: `${what}, limits ${row.kind}` }))
}
const list = dealers.map(({ dms }) => ({ method: 'GET' as const, path: '/v1/leads?limit=1', token: dms }))
const rows = [...(await costs('createLead', leadsOf(dealers))), ...(await costs('listLeads of one', list))]
report('limits-cost', `${connections} connections, by ${generator}`, rows, goals)
await Promise.all(Object.values(services).map((service) => service.stop()))
await place.close()
process.exit()
