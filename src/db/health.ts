import { type Cause, causeOf, wordsOf } from './away.ts'

/*
 * Whether the database can be used, that is: written to. A spell of trouble begins with the first call that fails for
 * another cause than being busy, and ends when a write has succeeded and no call has failed for a second. Its beginning
 * and its end are said once; a connection that was lost alone is none.
 */

const checkMs = 1_000
const checkMsMax = 2_000

export interface Health {
  /** Writes one row, at most once a second however often it is asked. @throws {Error} the failure of the write */
  requireWritable(): Promise<void>
  /** A call has failed. */
  failed(error: Error): void
  stop(): void
}

export type Say = (level: 'info' | 'warn' | 'error', message: string, fields: object) => void

/** `write` writes much when it is asked to: on a full disk there is still place for a row in a page that is there. */
export function openHealth(write: (much: boolean) => Promise<unknown>, say: Say): Health {
  let last: { startedAt: number; isOver: boolean; outcome: Promise<void> } | undefined
  let spell: { cause: Cause; startedAt: number; isTold: boolean } | undefined
  let failedAt = 0
  // The first call of this spell that found the disk full.
  let full: Error | undefined
  let isStopped = false

  const bounded = async () => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_resolve, reject) => {
      const error = Object.assign(new Error('The database did not answer in time'), { code: 'ETIMEDOUT' })
      timer = setTimeout(() => reject(error), checkMsMax)
    })
    try {
      await Promise.race([write(full !== undefined), late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** One that began after `since`. */
  const checked = (since: number): Promise<void> => {
    if (last && (!last.isOver || last.startedAt >= since)) return last.outcome
    const check = { startedAt: performance.now(), isOver: false, outcome: bounded() }
    last = check
    check.outcome.catch(() => undefined).finally(() => (check.isOver = true))
    return check.outcome
  }

  const begin = (cause: Cause, error: Error) => {
    if (spell || isStopped) return
    spell = { cause, startedAt: performance.now(), isTold: false }
    if (isOneAlone(cause, error)) void confirm(error)
    else tell(error)
    later()
  }

  const tell = (error: Error) => {
    if (!spell || isStopped) return
    spell.isTold = true
    say('error', wordsOf[spell.cause], { err: error })
  }

  /** The second time over a new connection, if the one of the first was lost as well. */
  const confirm = async (error: Error) => {
    const succeeds = () =>
      checked(performance.now()).then(
        () => true,
        () => false,
      )
    if (!(await succeeds()) && !(await succeeds())) tell(error)
  }

  const later = () => setTimeout(() => void look(), checkMs).unref()

  const look = async () => {
    // What is no trouble of the moment, such as a table that is not there yet, is not for this to say.
    const isWritable = await checked(performance.now()).then(
      () => true,
      (error: unknown) => causeOf(error) === undefined,
    )
    if (isStopped || !spell) return
    if (!isWritable || performance.now() - failedAt < checkMs) return later()
    if (spell.isTold)
      say('info', 'The database can be used again', {
        seconds: Math.round((performance.now() - spell.startedAt) / 1000),
      })
    spell = undefined
    full = undefined
  }

  const failed = (error: Error) => {
    const cause = causeOf(error)
    if (!cause || cause === 'busy') return
    failedAt = performance.now()
    if (cause === 'disk-full') full ??= error
    // A server that cannot write its log of changes ends, and does not come back before there is place.
    else if (full && (cause === 'unreachable' || cause === 'stopping')) error.cause ??= full
    begin(cause, error)
  }

  return {
    requireWritable: () => checked(performance.now() - checkMs),
    failed,
    stop: () => void (isStopped = true),
  }
}

/**
 * The server ends single sessions, too, as that of a process that was stopped in the middle of a transaction. What was
 * cut by ourselves is known to be dead.
 */
const isOneAlone = (cause: Cause, error: Error) =>
  cause === 'unreachable' && !('code' in error && error.code === 'ETIMEDOUT')
