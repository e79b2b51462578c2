import cluster from 'node:cluster'
import type { Connection } from './db/pool.ts'
import type { Logger } from './log.ts'

const restartMs = 1_000

export interface Workers {
  /** Ends them all, each in its own time. */
  stop(): Promise<void>
}

/** Starts processes that share the port, and another in the place of one that ends. */
export function startWorkers(count: number, connection: Connection, log: Logger): Workers {
  let stopping = false
  // Each worker takes connections for itself. Handed over by the first process, one on its way to a worker that dies hangs for ever.
  cluster.schedulingPolicy = cluster.SCHED_NONE
  const fork = () => cluster.fork({ CARBUDDII_CONNECTION: JSON.stringify(connection) })
  for (let started = 0; started < count; started++) fork()
  cluster.on('exit', (worker, code, signal) => {
    if (stopping) return
    log.error({ worker: worker.process.pid, code, signal }, 'a worker ended; starting another')
    setTimeout(() => stopping || fork(), restartMs)
  })
  return {
    stop: async () => {
      stopping = true
      await Promise.all(
        Object.values(cluster.workers ?? {}).map((worker) => {
          const ended = new Promise((resolve) => worker?.once('exit', resolve))
          worker?.process.kill('SIGTERM')
          return ended
        }),
      )
    },
  }
}

/** For a worker: where the database is, as the process that owns it said. */
export function connectionOfWorker(): Connection {
  return JSON.parse(process.env['CARBUDDII_CONNECTION'] ?? '{}')
}
