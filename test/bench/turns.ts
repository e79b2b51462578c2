import { createServer } from 'node:net'
import { isMainThread } from 'node:worker_threads'

/**
 * Loaded before a server, in its own process: tells whoever asks at the socket `TURNS_SOCKET` how long the longest turn
 * of the event loop was since the question before, in CPU time of its thread, which other processes cannot lengthen.
 */
let longestUs = 0
let askers = 0
let before = process.threadCpuUsage()

function look(): void {
  const { user, system } = process.threadCpuUsage(before)
  before = process.threadCpuUsage()
  longestUs = Math.max(longestUs, user + system)
  if (askers > 0) setImmediate(look)
}

const server = createServer((asker) => {
  if (askers++ === 0) setImmediate(look)
  asker.on('data', () => {
    asker.write(`${longestUs}\n`)
    longestUs = 0
  })
  asker.once('close', () => askers--)
}).unref()
// What is loaded before the server is loaded before its threads, too.
if (isMainThread) server.listen(process.env['TURNS_SOCKET'])
