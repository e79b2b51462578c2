import { fork } from 'node:child_process'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { watch, type Watched } from './board.ts'
import {
  atLeast,
  atMost,
  generator,
  httpTarget,
  measure,
  ratio,
  report,
  rssMb,
  type Sent,
  type Target,
} from './harness.ts'
import { type Dealer, leadInput, makeDealers, openPlace, startOurs } from './world.ts'

/**
 * What watching costs the intake: the same leads as fast as they go in, with nobody watching and with 50 open boards.
 * Then the memory of one process with a thousand streams, every fifth of which takes nothing, while 10^5 leads of 10 of
 * the dealers come in: more than the buffers of the system hold.
 */
const dealersCount = 50
const boardsCount = 50
const connections = 64
const differentLeads = 1_024
const rounds = 4
const seconds = 12
const streamsCount = 1_000
const deafEvery = 5
const busyDealers = 10
const leadsMeanwhile = 100_000
const batchLength = 200
const batchesAtOnce = 4

const place = process.argv[2] === undefined ? await openPlace() : undefined
if (place) await main()
else await watchAll(process.argv[3] ?? '', process.argv.slice(4))

/** In a process of its own. */
async function watchAll(url: string, tokens: string[]): Promise<void> {
  const stop = new AbortController()
  const watched: Watched = { events: 0, skipped: 0, readings: [] }
  process.on('message', () => stop.abort())
  const all = tokens.map((token) => watch(url, token, stop.signal, watched))
  while (watched.readings.length < tokens.length) await sleep(20)
  process.send?.('open')
  await Promise.all(all)
  process.send?.(watched)
  process.disconnect()
}

async function main(): Promise<void> {
  if (!place) return
  const ours = await startOurs(place)
  const dealers = await makeDealers(place, ours, dealersCount)
  const leads = Array.from({ length: differentLeads }, (_, at): Sent => ({
    method: 'POST',
    path: '/v1/leads',
    token: dealers[at % dealers.length]?.website ?? '',
    body: JSON.stringify(leadInput(at)),
  }))
  const alone = httpTarget(
    { kind: 'nobody watches', pid: ours.pid, databasePid: place.databasePid },
    ours.url,
    leads,
    connections,
  )
  const seen: Watched[] = []
  const watched: Target = {
    ...alone,
    kind: `${boardsCount} boards`,
    load: async (length) => {
      const boards = fork(import.meta.filename, [
        'watch',
        ours.url,
        ...Array.from({ length: boardsCount }, (_, at) => dealers[at % dealers.length]?.dms ?? ''),
      ])
      await once(boards, 'message')
      const stretch = await alone.load(length)
      boards.send('stop')
      seen.push(((await once(boards, 'message')) as [Watched])[0])
      return stretch
    },
  }
  const measured = await measure([alone, watched], { rounds, seconds })
  const memory = await crowd(ours, dealers)
  await ours.stop()
  await place.close()
  const sum = (of: (one: Watched) => number) => seen.reduce((total, one) => total + of(one), 0)
  console.log(
    `The boards were told ${sum(({ events }) => events)} events and ${sum(({ skipped }) => skipped)} times that many were left out, and read ${sum(({ readings }) => readings.length)} times anew`,
  )
  report(
    'boards',
    `${connections} connections for leads of ${dealersCount} dealers by ${generator}`,
    [...measured, ...memory],
    [
      atLeast(
        `leads per second, ${boardsCount} boards / nobody`,
        ratio(measured, 'perSecond', watched.kind, alone.kind),
        0.95,
      ),
      atMost(
        'memory with 1,000 streams and 10^5 leads, MB a stream',
        ((memory[1]?.rssMb ?? Number.NaN) - (memory[0]?.rssMb ?? Number.NaN)) / streamsCount,
        0.2,
      ),
    ],
  )
}

async function crowd(
  { url, pid }: { url: string; pid: number },
  dealers: readonly Dealer[],
): Promise<{ kind: string; rssMb: number; streams: number }[]> {
  const before = { kind: 'before the crowd', rssMb: rssMb(pid), streams: 0 }
  const streams: IncomingMessage[] = []
  for (let at = 0; at < streamsCount; at++) {
    const sent = request(`${url}/v1/events/stream`, {
      headers: { authorization: `Bearer ${dealers[at % dealers.length]?.dms}` },
    }).end()
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    if (answer.statusCode !== 200) throw new Error(`A stream was answered ${answer.statusCode}`)
    answer.on('error', () => undefined)
    // Whoever listens reads on; the deaf never take anything.
    if (at % deafEvery > 0) answer.resume()
    streams.push(answer)
  }
  let peak = 0
  let stored = 0
  await Promise.all(
    Array.from({ length: batchesAtOnce }, async (_, lane) => {
      for (; stored < leadsMeanwhile; stored += batchLength) {
        const body = JSON.stringify({
          leads: Array.from({ length: batchLength }, (_each, at) => ({ lead: leadInput(stored + at) })),
        })
        const token = dealers[(stored / batchLength + lane) % busyDealers]?.website
        const { status } = await fetch(`${url}/v1/leads/batch`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
          body,
        })
        if (status !== 207) throw new Error(`A batch was answered ${status}`)
        peak = Math.max(peak, rssMb(pid))
      }
    }),
  )
  // The last of them reach the slowest listeners, and the deaf are let go.
  for (const end = Date.now() + 45_000; Date.now() < end; await sleep(500)) peak = Math.max(peak, rssMb(pid))
  const open = streams.filter(({ complete, destroyed }) => !complete && !destroyed).length
  const after = { kind: 'after it', rssMb: rssMb(pid), streams: open }
  for (const stream of streams) stream.destroy()
  return [before, { kind: 'at most, meanwhile', rssMb: peak, streams: streamsCount }, after]
}
