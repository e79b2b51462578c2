import { createServer } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/**
 * Loaded before a server that was started with `--expose-gc`, in its own process: tells whoever asks at the socket
 * `MEMORY_SOCKET` what the process holds once all rubbish is collected, in bytes.
 */
if (isMainThread)
  createServer((asker) => {
    asker.on('data', () => {
      for (let time = 0; time < 3; time++) globalThis.gc?.()
      const { rss, heapUsed, external } = process.memoryUsage()
      asker.write(`${JSON.stringify({ rss, heapUsed, external })}\n`)
    })
  })
    .listen(process.env['MEMORY_SOCKET'])
    .unref()
