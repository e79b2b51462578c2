import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Server } from 'node:http'
import autocannon from 'autocannon'

/** What a server that is measured says when it listens; `warm` are the seconds before figures count. */
interface Ready {
  port: number
  path?: string
  token?: string
}

export interface Measured {
  kind: string
  /** CPU of the server process, user and system, microseconds per request. */
  cpuUs: number
  perSecond: number
}

const warmSeconds = 2

/** In the server's own process: says where it listens, and its CPU time whenever asked. */
export async function ready(server: Server, more: Omit<Ready, 'port'> = {}): Promise<void> {
  if (!server.listening) await once(server, 'listening')
  const address = server.address()
  process.on('message', () => process.send?.(process.cpuUsage()))
  process.on('disconnect', () => process.exit())
  process.send?.({ port: typeof address === 'object' ? address?.port : 0, ...more })
}

/**
 * Puts the same load on one server after the other, round by round, and takes the medians. Each `kind` is `file` run as a process of its
 * own with that argument. Load by autocannon, from this process.
 */
export async function compare(file: string, kinds: readonly string[], load: { path: string; method: 'GET' | 'POST'; body?: string; connections: number; rounds: number; seconds: number }): Promise<Measured[]> {
  const servers = await Promise.all(
    kinds.map(async (kind) => {
      const child = fork(file, [kind])
      const [told] = await once(child, 'message')
      return { kind, child, told: told as Ready, costs: [] as number[], rates: [] as number[] }
    }),
  )
  const { path, method, body, connections, rounds, seconds } = load
  for (let round = 0; round <= rounds; round++) {
    for (const { kind, child, told, costs, rates } of servers) {
      const cpu = async () => {
        child.send('cpu')
        const [usage] = await once(child, 'message')
        return usage.user + usage.system
      }
      const duration = round === 0 ? warmSeconds : seconds
      const before = await cpu()
      const headers = { ...(body && { 'content-type': 'application/json' }), ...(told.token && { authorization: `Bearer ${told.token}` }) }
      const { '2xx': done, non2xx } = await autocannon({ url: `http://127.0.0.1:${told.port}${told.path ?? path}`, method, connections, duration, headers, ...(body && { body }) })
      if (non2xx > 0) throw new Error(`${kind}: ${non2xx} answers were not 2xx`)
      if (round === 0) continue
      costs.push(((await cpu()) - before) / done)
      rates.push(done / duration)
    }
  }
  await Promise.all(servers.map(({ child }) => (child.disconnect(), once(child, 'exit'))))
  return servers.map(({ kind, costs, rates }) => ({ kind, cpuUs: median(costs), perSecond: Math.round(median(rates)) }))
}

const median = (values: number[]) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
