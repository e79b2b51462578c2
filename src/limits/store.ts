import type { Knex } from 'knex'
import type pg from 'pg'
import type { Limit } from '../limit.ts'

/** A process asks for a share of what a key may use. */
export interface AskedShare {
  dealerId: string
  holderId: string
  name: string
  /** What is left of an earlier share, and goes back. */
  given: number
  /** Less than this is of no use: it is granted or nothing. */
  need: number
  want: number
  /** Unless the key has a limit of its own. */
  limit: Limit
}

export interface GrantedShare {
  granted: number
  /** What nobody has used or set aside. */
  free: number
  most: number
  per_second: number | null
  /** Until the next day begins. */
  seconds_left: number
}

/** In the order in which they were asked; each key and name once. */
export async function takeShares(hot: pg.Pool, asked: readonly AskedShare[]): Promise<GrantedShare[]> {
  const column = <T>(of: (share: AskedShare) => T) => asked.map(of)
  const { rows } = await hot.query<GrantedShare>({
    name: 'take-shares',
    text: `select granted, free, most, per_second, seconds_left
           from take_shares($1, $2, $3, $4, $5, $6, $7, $8)
           order by place`,
    values: [
      column(({ dealerId }) => dealerId),
      column(({ holderId }) => holderId),
      column(({ name }) => name),
      column(({ given }) => given),
      column(({ need }) => need),
      column(({ want }) => want),
      column(({ limit }) => limit.most),
      column(({ limit }) => limit.perSecond ?? null),
    ],
  })
  return rows
}

export interface Level {
  name: string
  used: number
  /** What an Admin chose; null for the service's own. */
  most: number | null
  per_second: number | null
}

/** How much of each limit a key has used or was set aside for it, by the database's clock. */
export async function findLevels(
  db: Knex,
  dealerId: string,
  holderId: string,
  limits: Readonly<Record<string, Limit>>,
): Promise<Level[]> {
  const { rows } = await db.raw<{ rows: Level[] }>(
    `select n.name, o.most, o.per_second,
       coalesce(used_of(l.spent, l.at, case when o.most is null then n.per_second else o.per_second end), 0) as used
     from unnest(?::text[], ?::float8[]) as n(name, per_second)
     left join own_limits o on o.dealer_id = ? and o.holder_id = ? and o.name = n.name
     left join limit_levels l on l.dealer_id = ? and l.holder_id = ? and l.name = n.name`,
    [
      Object.keys(limits),
      `{${Object.values(limits)
        .map(({ perSecond }) => perSecond ?? 'null')
        .join()}}`,
      dealerId,
      holderId,
      dealerId,
      holderId,
    ],
  )
  return rows
}

export async function findOwnLimits(db: Knex, dealerId: string, holderId: string): Promise<Record<string, Limit>> {
  const rows: { name: string; most: number; per_second: number | null }[] = await db('own_limits')
    .where({ dealer_id: dealerId, holder_id: holderId })
    .orderBy('name')
    .select('name', 'most', 'per_second')
  return Object.fromEntries(
    rows.map(({ name, most, per_second }) => [name, per_second === null ? { most } : { most, perSecond: per_second }]),
  )
}

export async function saveOwnLimit(
  trx: Knex.Transaction,
  dealerId: string,
  holderId: string,
  name: string,
  limit: Limit | null,
): Promise<void> {
  const key = { dealer_id: dealerId, holder_id: holderId, name }
  if (limit === null) await trx('own_limits').where(key).delete()
  else
    await trx('own_limits')
      .insert({ ...key, most: limit.most, per_second: limit.perSecond ?? null })
      .onConflict(['dealer_id', 'holder_id', 'name'])
      .merge()
}
