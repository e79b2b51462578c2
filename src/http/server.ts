import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  ServerResponse,
  STATUS_CODES,
} from 'node:http'
import type { ListenOptions, Socket } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { Problem, problemBody } from '../problem.ts'
import { Refusal } from '../refusal.ts'

const headerBytesMax = 16_384
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const underWayMsMax = 10_000
const lingerMsMax = 5_000
const lingerBytesMax = 16_777_216
/** The rest of a body that nobody reads is waited for up to here, and the connection goes on behind it. */
const drainedBytesMax = 1_048_576
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

/** What is under way on a connection. */
interface Connection {
  /** Answers that are not over, in the order of their requests. */
  readonly open: ServerResponse[]
  /** The last request, when it was answered before it had come whole. */
  unread?: IncomingMessage
  /** Set when nothing more is read: what is still to be said behind all answers, or nothing. */
  farewell?: string
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
 * Serves `app`; `headers` are for what is answered before it is a request. On Linux several processes share a port by
 * a queue each: of one queue for all, what waits in it is reset when the last of them closes it.
 *
 * @throws {Error} for the operator, when nobody can listen there.
 */
export async function listen(
  app: RequestListener,
  { host, port, isShared }: Address & { isShared: boolean },
  headers: Readonly<Record<string, string>>,
  log: Logger,
): Promise<Listening> {
  let isEnding = false
  const connections = new Map<Socket, Connection>()
  const writeHead = function (this: ServerResponse, ...head: unknown[]): ServerResponse {
    if (isEnding || isLast(this.req, connections.get(this.req.socket))) this.setHeader('Connection', 'close')
    return Reflect.apply(ServerResponse.prototype.writeHead, this, head) as ServerResponse
  }
  // Node calls it when the answer has been handed over whole.
  const detachSocket = function (this: ServerResponse, socket: Socket): void {
    ServerResponse.prototype.detachSocket.call(this, socket)
    const connection = connections.get(socket)
    if (!connection) return
    connection.open.shift()
    if (isUnread(this.req)) {
      connection.unread = this.req
      // What Node calls to end a connection that was told to close.
      socket.destroySoon = () => linger(socket)
    }
    if (connection.farewell !== undefined && connection.open.length === 0) linger(socket, connection.farewell)
  }
  // A set of what is under way in the process would cost a lead an eighth of all that it costs this process.
  class Answer extends ServerResponse {
    constructor(...about: ConstructorParameters<typeof ServerResponse>) {
      super(...about)
      connections.get(this.req.socket)?.open.push(this)
      // Express gives it another prototype.
      Object.assign(this, { writeHead, detachSocket })
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
      // Of these `app` knows how to refuse them.
      requireHostHeader: false,
    },
    app,
  )
  server.on('checkContinue', app).on('checkExpectation', app)
  answerParserErrors(server, connections, (problem, reason) => farewell(problem, reason, headers, log))
  let connected = 0
  server.on('connection', (socket) => {
    connected++
    connections.set(socket, { open: [] })
    socket.once('close', () => connections.delete(socket))
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
    for (const socket of connections.keys()) if (socket.bytesRead === 0) socket.destroy()
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
        log.warn({ connections: connections.size }, 'cut off what took too long to end')
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

/** Whether a part of the request's body has still to come. */
const isUnread = ({ complete, headers }: IncomingMessage): boolean =>
  !complete && (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0')

/** Whether the connection ends with the answer to this request: what would still come of it is not waited for. */
function isLast(req: IncomingMessage, connection: Connection | undefined): boolean {
  if (!isUnread(req)) return false
  const rest = Number(req.headers['content-length'] ?? Number.POSITIVE_INFINITY)
  return connection?.farewell !== undefined || rest > drainedBytesMax
}

/**
 * What Node refuses is answered as a problem, too: in the place of the request whose body it is in, or by itself behind
 * all that was asked before. Whoever left is answered nothing.
 */
function answerParserErrors(
  server: Server,
  connections: Map<Socket, Connection>,
  said: (problem: Problem, reason: string | undefined) => string,
): void {
  server.on('clientError', (error: NodeJS.ErrnoException, stream) => {
    // The cast: this server is given sockets alone.
    const socket = stream as Socket
    const connection = connections.get(socket)
    const code = refusedAs(error.code)
    if (!connection || !code || !socket.writable) return void socket.destroy()
    if (connection.farewell !== undefined) return void (connection.open.length === 0 && socket.destroy())

    ignoreWhatComes(socket)
    const latest = connection.open.at(-1)
    const isAnswered = !latest && connection.unread !== undefined && isUnread(connection.unread)
    const isInBody = latest !== undefined && isUnread(latest.req)
    const problem = new Problem(code, code === 'bad-request' ? notHttp : undefined)
    connection.farewell = isInBody || isAnswered ? '' : said(problem, error.code)
    if (isInBody && !latest.headersSent && latest.req.listenerCount('error') > 0) latest.req.emit('error', problem)
    if (!latest) linger(socket, connection.farewell)
  })
  server.on('connect', (_req, stream) => {
    const problem = new Problem('method-not-allowed', 'This is no proxy.', { headers: { Allow: 'GET' } })
    // The cast: as above.
    linger(stream as Socket, said(problem, 'CONNECT'))
  })
}

const notHttp = 'The request is not HTTP that this server understands.'

/** What an error of a connection is to whoever is still there; undefined when nobody is. */
function refusedAs(code: string | undefined): 'headers-too-large' | 'request-timeout' | 'bad-request' | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request-timeout'
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers-too-large'
  // The connection ended inside a request.
  if (code === 'HPE_INVALID_EOF_STATE') return undefined
  return code?.startsWith('HPE_') ? 'bad-request' : undefined
}

/** A problem as it is written where there is no request. */
function farewell(
  problem: Problem,
  reason: string | undefined,
  ofEveryAnswer: Readonly<Record<string, string>>,
  log: Logger,
): string {
  const requestId = crypto.randomUUID()
  const { status, code, more } = problem
  log.info({ requestId, status, problem: code, reason }, 'refused before it was a request')
  const body = JSON.stringify(problemBody(problem, requestId))
  const headers = {
    Date: new Date().toUTCString(),
    'Content-Type': 'application/problem+json',
    'Content-Length': Buffer.byteLength(body),
    ...ofEveryAnswer,
    'X-Request-Id': requestId,
    Connection: 'close',
    ...more.headers,
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}

/**
 * Throws away what comes. The parser must not see it: a slow client's lead, once whole, would be stored after the 408.
 */
function ignoreWhatComes(socket: Socket): void {
  let bytes = 0
  socket.removeAllListeners('data')
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > lingerBytesMax) socket.destroy()
  })
  socket.resume()
}

/**
 * What was answered before the client had sent everything is closed a little later: closed at once, the kernel answers
 * what still comes with a reset, and a client that is reset while it sends never reads why (RFC 9112, section 9.6).
 */
function linger(socket: Socket, farewell = ''): void {
  if (socket.writableEnded) return
  ignoreWhatComes(socket)
  socket.end(farewell)
  const closing = setTimeout(() => socket.destroy(), lingerMsMax)
  socket.once('close', () => clearTimeout(closing))
}
