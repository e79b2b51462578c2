import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'

/** Between a process and PostgreSQL; what it does to the calls that store leads, one after the other. */
export type Fate =
  /** The call does not arrive. */
  | 'call lost'
  /** The call is done and committed, and the answer does not arrive. */
  | 'answer lost'
  /** The process is cut off as soon as the call is on its way; the database goes on with it. */
  | 'cut off'
  /** The end of the call, which would commit it, is not sent; the connection stays. */
  | 'end held back'

export interface Proxy {
  connection: { host: string; port: number; user: string; database: string }
  /** The calls that came, whatever became of them. */
  calls(): number
  /** From now on, for the next calls; those after them pass. `meanwhile` runs before a connection is cut. */
  next(fates: readonly Fate[], meanwhile?: () => Promise<unknown>): void
  /**
   * Nothing passes any more, either way, through the connections that are open; they stay, and new ones pass. Says how
   * many they are.
   */
  blackHole(): number
  /** New connections are hung up on. */
  refuse(isRefusing: boolean): void
  close(): Promise<void>
}

// In Bind: no portal, then the name of the statement. Sync has no body; after a commit the server says that it is idle.
const bind = Buffer.from('\0create-leads\0')
const sync = Buffer.from([0x53, 0, 0, 0, 4])
const idle = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

export async function openProxy(to: { host: string; port: number; user: string; database: string }): Promise<Proxy> {
  let calls = 0
  let fates: Fate[] = []
  let beforeCut: () => Promise<unknown> = async () => undefined
  const sockets = new Set<Socket>()
  // The ends of connections whose other end is gone without a word.
  const swallowed = new WeakSet<Socket>()

  let isRefusing = false

  const server = createServer((process) => {
    if (isRefusing) return void process.destroy()
    const database = connect(join(to.host, `.s.PGSQL.${to.port}`))
    let fate: Fate | undefined
    const cut = async () => {
      await beforeCut()
      process.destroy()
      database.destroy()
    }
    process.on('data', (chunk) => {
      if (fate || swallowed.has(process)) return
      if (chunk.includes(bind)) {
        calls++
        fate = fates.shift()
      }
      if (fate === 'call lost') return void cut()
      database.write(
        fate === 'end held back' && chunk.subarray(-sync.length).equals(sync) ? chunk.subarray(0, -sync.length) : chunk,
      )
      if (fate === 'cut off') process.destroy()
    })
    database.on('data', (chunk) => {
      if (swallowed.has(database)) return
      if (fate === undefined) process.write(chunk)
      else if (fate === 'answer lost' && chunk.subarray(-idle.length).equals(idle)) void cut()
    })
    // A call that was cut off is left to the database.
    process.on('close', () => fate === 'cut off' || swallowed.has(process) || database.destroy())
    database.on('close', () => swallowed.has(database) || process.destroy())
    for (const socket of [process, database]) {
      sockets.add(socket.on('error', () => undefined))
      socket.on('close', () => sockets.delete(socket))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    connection: { ...to, host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    calls: () => calls,
    next: (wanted, meanwhile = async () => undefined) => {
      fates = [...wanted]
      beforeCut = meanwhile
    },
    blackHole: () => {
      for (const socket of sockets) swallowed.add(socket)
      return sockets.size / 2
    },
    refuse: (wanted) => void (isRefusing = wanted),
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}
