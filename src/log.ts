import { type Logger, pino } from 'pino'

export type { Logger } from 'pino'

// Lines wait for others, but not for long. Whatever ends the process, but for kill -9, writes out what is waiting.
const waitingBytesMax = 65_536
const waitingMsMax = 200

/** The log of this process: one JSON object a line, on standard output. */
export function openLog(level: string): Logger {
  return pino({ level, base: { pid: process.pid } }, severalAtOnce())
}

/** Handing on each line by itself would cost a request more than making it. */
function severalAtOnce(): { write(line: string): void } {
  const destination = pino.destination({ sync: false })
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
