import { createHash } from 'node:crypto'
import type { Account } from './account.ts'

export type Log = (level: 'info' | 'warn' | 'error', message: string, fields?: object) => void

/**
 * Connection values for `pg` and knex; `host` is the socket folder. They stay the same when the server is restarted.
 */
export type Connection = { host: string; port: number; user: string; database: string }

/** All that a launch needs, and a relaunch needs again. Paths are absolute and without links. */
export type Site = {
  cluster: string
  bin: string
  account: Account
  socketFolder: string
  wrapper: string[]
  connectionsMax: number
}

export const port = 5432
export const user = 'carbuddii'
export const database = 'carbuddii'

export const shortHash = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12)
export const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error))
