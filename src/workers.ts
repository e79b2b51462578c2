import cluster from 'node:cluster'
import { once } from 'node:events'
import type { Connection } from './db/pool.ts'
import { type EndMessage, exitCodes } from './ending.ts'
import type { Logger } from './log.ts'

const restartMsMin = 200
const restartMsMax = 30_000
const steadyMs = 60_000

const listeningMessage = 'listening'

interface Given {
  connection: Connection
  port: number
}

export interface Workers {
  /** Resolves when each has listened once. */
  readonly listening: Promise<unknown>
  /** Ends them all, each in its own time. */
  stop(drain: boolean): Promise<void>
}

/**
 * Starts processes that share the port, and another, after a growing pause, in the place of one that ends. When one
 * says that it cannot start for a reason that will not pass, and no other serves, `failed` is called: nothing is gained
 * by trying again.
 */
export function startWorkers(count: number, given: Given, log: Logger, failed: () => void): Workers {
  const serving = new Set<number>()
  let isStopping = false
  // Where they cannot have a queue each, workers take connections from one by themselves. Handed over by the first
  // process, one on its way to a worker that dies hangs for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE

  const start = (pauseMs: number, hasListened: () => void): void => {
    if (isStopping) return
    const started = performance.now()
    const worker = cluster.fork({ CARBUDDII_WORKER: JSON.stringify(given) })
    worker.on('message', (message) => {
      if (message !== listeningMessage) return
      serving.add(worker.id)
      hasListened()
    })
    worker.on('exit', (code: number | null, signal: string | null) => {
      const hadListened = serving.delete(worker.id)
      if (isStopping) return
      if (!hadListened && serving.size === 0 && code === exitCodes.failed) {
        isStopping = true
        return failed()
      }
      const nextPauseMs = performance.now() - started > steadyMs ? restartMsMin : pauseMs
      log.error({ worker: worker.process.pid, code, signal, pauseMs: nextPauseMs }, 'a worker ended; starting another')
      setTimeout(() => start(Math.min(nextPauseMs * 2, restartMsMax), hasListened), nextPauseMs)
    })
  }
  const listening = Promise.all(
    Array.from({ length: count }, () => new Promise<void>((resolve) => start(restartMsMin, resolve))),
  )

  return {
    listening,
    stop: async (drain) => {
      isStopping = true
      const message: EndMessage = { end: { drain } }
      const living = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
      await Promise.all(
        living.map((worker) => {
          const ended = once(worker, 'exit')
          // One whose channel is closed is just ending.
          worker.send(message, undefined, () => undefined)
          return ended
        }),
      )
    },
  }
}

/** For a worker: what the first process found out. */
export function workerEnv(): Given {
  return JSON.parse(process.env['CARBUDDII_WORKER'] ?? '{}')
}

/** For a worker, once it serves. */
export function tellListening(): void {
  process.send?.(listeningMessage)
}
