import type { Response } from 'express'

/** Aborted when the client has left before it had its answer. */
export function leaving(res: Response): AbortSignal {
  const controller = new AbortController()
  if (res.closed) controller.abort()
  else res.once('close', () => controller.abort())
  return controller.signal
}
