import { setTimeout as pause } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import type { LogLine } from '../faults/processes.ts'
import type { Load } from '../faults/sender.ts'
import { send } from '../service.ts'

const lookMs = 100

/** What the service said at some moment, for as long as it said so. */
export interface Spell {
  status: number
  detail: string
  from: number
  until: number
}

export interface Watch {
  spells: Spell[]
  stop(): Promise<void>
}

/** Asks again and again whether the service is ready, until it is told to stop, or the test is over. */
export function watchReadiness(url: string): Watch {
  const spells: Spell[] = []
  let isOver = false
  const watching = (async () => {
    for (; !isOver; await pause(lookMs)) {
      const { status, detail } = await send(`${url}/readyz`, 'GET').then(
        ({ status, body }) => ({ status, detail: String(body?.detail ?? '').split('.')[0] ?? '' }),
        (error: Error) => ({ status: 0, detail: error.message }),
      )
      const now = performance.now()
      const last = spells.at(-1)
      if (last?.status === status && last.detail === detail) last.until = now
      else spells.push({ status, detail, from: last?.until ?? now, until: now })
    }
  })()
  const stop = async () => {
    isOver = true
    await watching
  }
  onTestFinished(stop)
  return { spells, stop }
}

/** The longest time from some moment on in which no lead was acknowledged. */
export function longestGapMs({ acknowledgedAt }: Load, from: number): number {
  const later = [from, ...acknowledgedAt.filter((at) => at > from)]
  return Math.max(...later.map((at, which) => at - (later[which - 1] ?? from)))
}

/** Of the log: what is no request. */
export const said = (lines: readonly LogLine[], level: number) =>
  lines.filter((line) => line.level === level && line.msg !== 'request')

/** For people: what became of the leads, what callers, readiness and the log said. */
export function account(title: string, load: Load, { spells }: Watch, lines: readonly LogLine[], from: number): string {
  const { ledger } = load
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`
  const counts = new Map<string, number[]>()
  for (const { time, level, msg, err } of lines.filter((line) => line.level > 20 && line.msg !== 'request')) {
    const words = `${level} ${msg}${err ? `: ${err.message}` : ''}`.replaceAll(/\d{3,}/g, 'n').slice(0, 200)
    counts.set(words, [...(counts.get(words) ?? []), time])
  }
  return [
    `\n${title}: ${ledger.acknowledged.size} leads, ${ledger.attempts} attempts, ${ledger.unknown} of unknown outcome; longest time without a stored lead ${seconds(longestGapMs(load, from))}`,
    ...[...ledger.refused].map(([answer, times]) => `  callers saw ${times} x ${answer}`),
    ...spells.map(
      ({ status, detail, from: at, until }) =>
        `  ready ${status} ${detail} at ${seconds(at - from)} for ${seconds(until - at)}`,
    ),
    ...[...counts].map(
      ([words, times]) => `  log ${times.length} x ${words} (within ${seconds((times.at(-1) ?? 0) - (times[0] ?? 0))})`,
    ),
    '',
  ].join('\n')
}
