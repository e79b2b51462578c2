import { connect, createServer, type Server } from 'node:net'

type Place = number | string

/**
 * Hands on what comes to one place, a port of loopback or a socket file, to another. A file is seen from every network
 * namespace; so two of these are a door into one, and everything listens on loopback still.
 */
export function relay(from: Place, to: Place): Server {
  const hangUp = () => undefined
  const server = createServer((one) => {
    const other = typeof to === 'number' ? connect(to, '127.0.0.1') : connect(to)
    one.on('error', hangUp).on('close', () => other.destroy())
    other.on('error', hangUp).on('close', () => one.destroy())
    one.pipe(other).pipe(one)
  })
  return typeof from === 'number' ? server.listen(from, '127.0.0.1') : server.listen(from)
}

const place = (text = ''): Place => (/^\d+$/.test(text) ? Number(text) : text)

if (import.meta.main) relay(place(process.argv[2]), place(process.argv[3]))
