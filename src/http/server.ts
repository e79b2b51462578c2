import { createServer, type RequestListener, type Server, ServerResponse } from 'node:http'
import type { ListenOptions, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Problem, problemBody } from '../problem.ts'
import { Refusal } from '../refusal.ts'

const headerBytesMax = 16_384
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const underWayMsMax = 10_000
const lingerMsMax = 5_000
const lingerBytesMax = 1_048_576
const idleLookMs = 20
const turnsMax = 1_000
const quickTurnMs = 0.3
/** What has just connected has its first bytes on their way. */
const silentMsMax = 1_000

export interface Listening {
  port: number
  /** From now on each answer is the last of its connection, so that callers move on by themselves. */
  endConnections(): void
  /** No new connection is taken, requests under way are answered; what takes too long is cut off. */
  stop(): Promise<void>
}

export interface Address {
  host: string
  port: number
}

/**
 * Makes sure that nobody listens there, and says which port it is when any will do. @throws {Error} for the operator.
 */
export async function requireFreePort(address: Address): Promise<number> {
  const probe = createServer()
  const port = await listenAt(probe, address, {})
  await new Promise((resolve) => probe.close(resolve))
  return port
}

/**
 * Serves `app`. On Linux several processes share a port by a queue each: of one queue for all, what waits in it is
 * reset when the last of them closes it.
 *
 * @throws {Error} for the operator, when nobody can listen there.
 */
export async function listen(
  app: RequestListener,
  { host, port, isShared }: Address & { isShared: boolean },
  log: Logger,
): Promise<Listening> {
  let isEnding = false
  // A set of what is under way would cost a lead an eighth of all that it costs this process.
  class Answer extends ServerResponse {
    override writeHead(...head: unknown[]): this {
      if (isEnding) this.setHeader('Connection', 'close')
      return Reflect.apply(super.writeHead, this, head) as this
    }
  }
  const server = createServer(
    {
      ServerResponse: Answer,
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000,
    },
    app,
  )
  answerParserErrors(server, log)
  const sockets = new Set<Socket>()
  let connected = 0
  server.on('connection', (socket) => {
    connected++
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  const queueOfItsOwn = isShared && process.platform === 'linux' ? { reusePort: true, exclusive: true } : {}
  const listeningAt = await listenAt(server, { host, port }, queueOfItsOwn)

  const endConnections = (): void => {
    isEnding = true
  }
  // Node does not count them among the idle ones.
  const closeSilent = async (): Promise<void> => {
    // Where there is little time for this process, what they sent long ago waits to be read.
    await nextTurn()
    for (const socket of sockets) if (socket.bytesRead === 0) socket.destroy()
  }

  return {
    port: listeningAt,
    endConnections,
    stop: async () => {
      endConnections()
      // What still waits in the queue when the port is closed is reset by the kernel; Node takes one connection of it a
      // turn.
      for (let turn = 0; turn < turnsMax; turn++) {
        const before = connected
        const began = performance.now()
        await nextTurn()
        // In a long turn others may have connected behind the look.
        if (connected === before && performance.now() - began < quickTurnMs) break
      }
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      const looking = setInterval(() => server.closeIdleConnections(), idleLookMs)
      const closing = setTimeout(() => void closeSilent(), silentMsMax)
      const cutting = setTimeout(() => {
        log.warn({ connections: sockets.size }, 'cut off what took too long to end')
        server.closeAllConnections()
      }, underWayMsMax)
      await closed
      clearInterval(looking)
      clearTimeout(closing)
      clearTimeout(cutting)
    },
  }
}

async function listenAt(server: Server, { host, port }: Address, options: ListenOptions): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(unableToListen(error, host, port)))
    server.listen({ ...options, host, port }, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : port
}

function unableToListen(error: NodeJS.ErrnoException, host: string, port: number): Refusal {
  const reasons: Record<string, string> = {
    EADDRINUSE: `Port ${port} of ${host} is in use by another process: stop that one, or set another PORT`,
    EACCES: `This user may not listen on port ${port} of ${host}: set another PORT`,
    EADDRNOTAVAIL: `${host} is no address of this machine: set another HOST`,
    ENOTFOUND: `${host} is no address of this machine: set another HOST`,
  }
  return new Refusal(reasons[error.code ?? ''] ?? `Nobody can listen on port ${port} of ${host}: ${error.message}`)
}

/** What Node refuses before there is a request is answered as a problem, too. */
function answerParserErrors(server: Server, log: Logger): void {
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return socket.destroy()
    const code =
      error.code === 'HPE_HEADER_OVERFLOW'
        ? 'headers-too-large'
        : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? 'request-timeout'
          : 'bad-request'
    const requestId = crypto.randomUUID()
    const problem =
      code === 'bad-request'
        ? new Problem(code, 'The request is not HTTP that this server understands.')
        : new Problem(code)
    const body = JSON.stringify(problemBody(problem, requestId))
    const reason =
      { 400: 'Bad Request', 408: 'Request Timeout', 431: 'Request Header Fields Too Large' }[problem.status] ??
      'Bad Request'
    log.info(
      { requestId, status: problem.status, problem: code, reason: error.code },
      'refused before it was a request',
    )
    socket.end(
      `HTTP/1.1 ${problem.status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
    )
    linger(socket)
  })
}

/**
 * What was answered before the client had sent everything is closed a little later: closed at once, the kernel answers
 * what still comes with a reset, and a client that is reset while it sends never reads why (RFC 9112, section 9.6).
 * Meanwhile what comes is thrown away. The parser must not see it: a slow client's lead, once whole, would be stored
 * after the 408.
 */
function linger(socket: Duplex): void {
  let bytes = 0
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > lingerBytesMax) socket.destroy()
  })
  socket.resume()
  const closing = setTimeout(() => socket.destroy(), lingerMsMax)
  socket.once('close', () => clearTimeout(closing))
}
