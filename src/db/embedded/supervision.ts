import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { shutDown } from './postmaster.ts'
import { hasEnded, launch } from './server.ts'
import { type Log, messageOf, type Site } from './site.ts'

const restartMsMin = 100
const restartMsMax = 5000
const steadySeconds = 60

/** Starts the server again, with growing pauses, whenever it ends by itself; resolves when it has been stopped. */
export async function keepRunning(site: Site, first: ChildProcess, log: Log, halt: AbortSignal): Promise<void> {
  let pauseMs = restartMsMin
  for (let server = first; ;) {
    const started = Date.now()
    await new Promise<void>((resolve) => {
      if (hasEnded(server) || halt.aborted) return resolve()
      server.once('exit', () => resolve())
      halt.addEventListener('abort', () => resolve(), { once: true })
    })
    if (halt.aborted)
      return shutDown(
        (signal) => server.kill(signal),
        () => hasEnded(server),
      )
    log('error', 'PostgreSQL ended by itself and is started again', {
      code: server.exitCode,
      signal: server.signalCode,
    })
    if (Date.now() - started > steadySeconds * 1000) pauseMs = restartMsMin
    for (;;) {
      await sleep(pauseMs, undefined, { signal: halt }).catch(() => undefined)
      if (halt.aborted) return
      pauseMs = Math.min(pauseMs * 2, restartMsMax)
      try {
        server = await launch(site, log, halt)
        break
      } catch (error) {
        if (!halt.aborted) log('error', messageOf(error))
      }
    }
  }
}
