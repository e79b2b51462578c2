import { type Followed, followEvents } from './client.ts'
import { service } from './session.ts'

type Listener = (message: Followed) => void

const listeners = new Set<Listener>()
let stop: AbortController | undefined
let isOpen = false

/**
 * Tells what happens while anybody listens; one line for the whole page. Whoever comes later is told whether the line
 * is open.
 */
export function listen(listener: Listener): () => void {
  listeners.add(listener)
  if (isOpen) listener({ type: 'position', cursor: '' })
  if (!stop) {
    stop = new AbortController()
    void follow(stop.signal)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    stop?.abort()
    stop = undefined
    isOpen = false
  }
}

async function follow(signal: AbortSignal): Promise<void> {
  // After a restart it begins with what happens from then on, as at first.
  while (!signal.aborted)
    for await (const message of followEvents({ client: service, signal, skip: true })) {
      if (signal.aborted) return
      isOpen = message.type !== 'closed' && message.type !== 'restarted'
      for (const listener of listeners) listener(message)
    }
}
