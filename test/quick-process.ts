import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { openDatabase } from '../src/db/pool.ts'
import { createDealer } from '../src/users/operator.ts'
import { bareEnvironment, onLeash } from './leash.ts'
import { freshDatabase, password, secretKeys, send } from './service.ts'

/** The service as main.ts starts it, whose limits of time pass `speed` times as fast; with a dealer and its admin. */
export async function startQuickly(speed: number, onLine: (line: { msg: string }) => void = () => undefined) {
  const connection = await freshDatabase()
  const database = openDatabase(connection, () => undefined)
  const email = 'admin@quick.example'
  const { dealerId } = await createDealer(
    database.db,
    { name: 'Quick', country: 'DK', time_zone: 'Europe/Copenhagen', language: 'da' },
    { email, name: 'Admin', password },
  )
  const faster = `
    import http from 'node:http'
    import { syncBuiltinESMExports } from 'node:module'
    const { createServer } = http
    const scaled = ([name, value]) => [name, /Timeout|Interval/.test(name) ? value / ${speed} : value]
    http.createServer = (options, app) => createServer(Object.fromEntries(Object.entries(options).map(scaled)), app)
    syncBuiltinESMExports()
  `
  const DATABASE_URL = `postgres:///${connection.database}?host=${encodeURIComponent(connection.host)}&user=${connection.user}&port=${connection.port}`
  const env = {
    ...bareEnvironment,
    PORT: '0',
    DATABASE_URL,
    SECRET_KEYS: secretKeys,
    DRAIN_SECONDS: '0',
    LIMITS: 'off',
  }
  const child = spawn(...onLeash('--import', `data:text/javascript,${encodeURIComponent(faster)}`, 'src/main.ts'), {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const port = await new Promise<number>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text)
      if (line.msg === 'ready') resolve(line.port)
      onLine(line)
    })
    child.once('exit', () => reject(new Error('The process did not get ready')))
  })

  const url = `http://127.0.0.1:${port}`
  const call = (method: string, path: string, options?: Parameters<typeof send>[2]) => send(url + path, method, options)
  const admin = (await call('POST', '/v1/session', { body: { email, password } })).body.access_token as string
  const createKey = async (key: object) => {
    const { body } = await call('POST', '/v1/api-keys', { token: admin, body: key })
    const secret = body.secret as string
    const exchange = await call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    return { id: body.apiKey.id as string, secret, token: exchange.body.access_token as string }
  }
  const stop = async () => {
    if (child.kill('SIGTERM')) await once(child, 'exit')
    await database.close()
  }
  return { port, call, admin, createKey, db: database.db, dealerId, stop }
}
