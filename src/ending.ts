import type { Logger } from './log.ts'

// A terminal sends Ctrl-C to all processes of its group, npm hands on what it gets as well, and systemd may tell each
// process: one wish.
const sameSignalMs = 500
/** How long the end may take beyond the drain: requests under way, then the database's checkpoint. */
const endMsMax = 25_000

/** Exit codes. A supervisor may start again after the second (sysexits.h, EX_TEMPFAIL). */
export const exitCodes = { stopped: 0, failed: 1, passing: 75 } as const

/** What the first process tells a worker. */
export interface EndMessage {
  end: { drain: boolean }
}

export interface Ending {
  /** Whether it has begun: what fails now fails because of it. */
  hasBegun(): boolean
  begin(drain: boolean, code?: number): void
}

/**
 * Ends the process by `stop` when it is told to, once: SIGTERM lets a load balancer see it first, SIGINT does not make
 * a person wait, and a second signal waits for nothing. SIGHUP, which a closed terminal sends, ends nothing. A worker
 * listens to the process that started it and to a SIGTERM of its own, and is ended by it.
 */
export function endOnSignals(
  stop: (drain: boolean) => Promise<void>,
  drainMs: number,
  isWorker: boolean,
  log: Logger,
): Ending {
  let begunAt: number | undefined

  const begin = (drain: boolean, code: number = exitCodes.stopped): void => {
    if (begunAt !== undefined) return
    begunAt = performance.now()
    setTimeout(
      () => {
        log.fatal('it did not stop in time, and is ended as it is')
        process.exit(exitCodes.failed)
      },
      (drain ? drainMs : 0) + endMsMax,
    ).unref()
    stop(drain).then(
      () => {
        log.info('stopped')
        process.exit(code)
      },
      (error: unknown) => {
        log.fatal({ err: error }, 'it could not be stopped in order')
        process.exit(exitCodes.failed)
      },
    )
  }

  const onSignal = (signal: NodeJS.Signals): void => {
    if (begunAt === undefined) {
      log.info({ signal }, 'stopping')
      return begin(signal === 'SIGTERM')
    }
    if (isWorker || performance.now() - begunAt < sameSignalMs) return
    log.warn({ signal }, 'told a second time: ended as it is')
    process.exit(exitCodes.failed)
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', (signal) => isWorker || onSignal(signal))
  process.on('SIGHUP', (signal) => log.info({ signal }, 'ignored: SIGTERM stops the service'))
  process.on('message', (message: Partial<EndMessage> | null) => message?.end && begin(message.end.drain))

  const onFault = (error: unknown): void => {
    log.fatal({ err: error }, 'stopping after a fault')
    if (begunAt !== undefined) process.exit(exitCodes.failed)
    begin(false, exitCodes.failed)
  }
  process.on('uncaughtException', onFault)
  process.on('unhandledRejection', onFault)

  return { hasBegun: () => begunAt !== undefined, begin }
}
