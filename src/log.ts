import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

// Lines wait for others, but not for long. Whatever ends the process, but for kill -9, writes out what is waiting.
const waitingBytesMax = 65_536
const waitingMsMax = 200
/** What may wait for a reader who is slow, or for a disk that is full; lines beyond it are left out. */
const unwrittenBytesMax = 16_777_216

/** The log of this process: one JSON object a line, on standard output. */
export function openLog(level: string): Logger {
  const log = pino({ level, base: { pid: process.pid } }, severalAtOnce())
  // Node writes them as text.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ err: warning }, warning.message))
  return log
}

/** Handing on each line by itself would cost a request more than making it. */
function severalAtOnce(): { write(line: string): void } {
  const destination = pino.destination({ sync: false, maxLength: unwrittenBytesMax })
  // A terminal that was closed, a full disk: the service goes on, and so do the lines once they can be written.
  destination.on('error', () => undefined)
  let waiting = ''
  const handOn = () => {
    if (waiting !== '') destination.write(waiting)
    waiting = ''
  }
  setInterval(handOn, waitingMsMax).unref()
  // Before the destination itself hears of the end.
  process.prependListener('exit', () => {
    handOn()
    destination.flushSync()
  })
  return {
    write: (line) => {
      waiting += line
      if (waiting.length > waitingBytesMax) handOn()
    },
  }
}
