import { setTimeout as pause } from 'node:timers/promises'
import { expect, onTestFinished } from 'vitest'
import { patienceMs } from './patience.ts'

/** What comes down one connection of the feed, as it is. */
export async function listen(
  url: string,
  token: string,
  { query = '', after }: { query?: string; after?: string } = {},
) {
  const response = await fetch(`${url}/v1/events/stream${query}`, {
    headers: { authorization: `Bearer ${token}`, ...(after && { 'last-event-id': after }) },
  })
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([
    200,
    'text/event-stream',
    'no-store',
  ])
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  if (!reader) throw new Error('No body')
  onTestFinished(() => void reader.cancel().catch(() => undefined))
  const patiently = async (isSo: () => boolean, what: string) => {
    for (const limit = Date.now() + patienceMs; !isSo(); await pause(10))
      if (Date.now() > limit) throw new Error(`${what} in ${stream.text}`)
  }
  const stream = {
    text: '',
    isOver: false,
    /** The events of leads. */
    data: () =>
      [...stream.text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json)).filter(({ id }) => id),
    until: (pattern: RegExp) => patiently(() => pattern.test(stream.text), `No ${pattern}`),
    over: () => patiently(() => stream.isOver, 'No end'),
  }
  void (async () => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) stream.text += part.value
  })()
    .catch(() => undefined)
    .finally(() => (stream.isOver = true))
  await stream.until(/^event: position$/m)
  return stream
}
