import { createServer, type RequestListener, type Server } from 'node:http'
import { createHttpTerminator } from 'http-terminator'
import type { Logger } from 'pino'
import { Problem, problemBody } from '../problem.ts'

const headerBytesMax = 16_384
const headersTimeoutMs = 10_000
const requestTimeoutMs = 30_000
const drainMs = 10_000

export interface Listening {
  port: number
  /** No new connection is taken, requests under way end; what takes too long is cut off. */
  stop(): Promise<void>
}

/** Serves `app`. @throws {Error} when nobody can listen there. */
export async function listen(
  app: RequestListener,
  { host, port }: { host: string; port: number },
  log: Logger,
): Promise<Listening> {
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 2_000,
      keepAliveTimeout: 65_000,
    },
    app,
  )
  answerParserErrors(server, log)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, resolve)
  })
  const address = server.address()
  const terminator = createHttpTerminator({ server, gracefulTerminationTimeout: drainMs })
  return { port: typeof address === 'object' && address ? address.port : port, stop: () => terminator.terminate() }
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
    log.info({ requestId, status: problem.status, code: error.code }, 'refused before it was a request')
    // Only ended, it would go on receiving: a slow client could keep it for ever, and its lead, once whole, would be stored after the 408.
    const hangUp = () => socket.destroy()
    socket.end(
      `HTTP/1.1 ${problem.status} ${reason}\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${requestId}\r\nConnection: close\r\n\r\n${body}`,
      hangUp,
    )
  })
}
