/**
 * Told when work that goes on beside the requests begins to fail: of the first failure, and of the next one only after
 * a success.
 */
export type Report = (error: unknown, work: string) => void

/** Keeps a failure that goes on from being told again and again. */
export interface Alarm {
  raise(error: unknown): void
  clear(): void
}

export function openAlarm(work: string, report: Report): Alarm {
  let isRaised = false
  return {
    raise: (error) => {
      if (!isRaised) report(error, work)
      isRaised = true
    },
    clear: () => {
      isRaised = false
    },
  }
}

/** Work that is done again and again, beside the requests. */
export interface Job {
  readonly name: string
  /** Does it now, or waits for it when it is under way. Throws what goes wrong, which is also told. */
  run(): Promise<void>
  /** The same for whoever does not wait for it. */
  hurry(): void
  /** Waits for what is under way. */
  stop(): Promise<void>
}

/**
 * Does `work` every so many milliseconds, until it is stopped; never twice at a time. `signal` aborts when no more is
 * to be begun. It does not keep the process alive.
 */
export function openJob(
  name: string,
  everyMs: number,
  report: Report,
  work: (signal: AbortSignal) => Promise<unknown>,
): Job {
  const stopping = new AbortController()
  const alarm = openAlarm(name, report)
  let underWay: Promise<void> | undefined
  const run = () =>
    (underWay ??= work(stopping.signal)
      .then(alarm.clear, (error: unknown) => {
        alarm.raise(error)
        throw error
      })
      .finally(() => (underWay = undefined)))
  const hurry = () => void run().catch(isTold)
  const timer = setInterval(hurry, everyMs).unref()
  return {
    name,
    run,
    hurry,
    stop: async () => {
      clearInterval(timer)
      stopping.abort()
      await underWay?.catch(isTold)
    },
  }
}

const isTold = () => undefined
