import type { Knex } from 'knex'
import type { MailKind } from '../../generated/server/types.gen.ts'
import { newId } from '../ids.ts'
import type { MailRow, NewMail } from './mail.ts'

export async function addMails(db: Knex, dealerId: string, mails: readonly NewMail[]): Promise<void> {
  if (mails.length === 0) return
  const moment = db.raw('clock_timestamp()')
  const rows = mails.map((mail) => ({
    ...mail,
    dealer_id: dealerId,
    id: newId(),
    data: JSON.stringify(mail.data),
    due_at: moment,
    created_at: moment,
    changed_at: moment,
  }))
  await db('mails').insert(rows).onConflict(['dealer_id', 'dedupe']).ignore()
}

/**
 * Takes one mail that is due, of a dealer whose id comes after `dealerId`, for 2 minutes: if nothing comes of it by
 * then, somebody else takes it.
 */
export async function claimMailAfter(db: Knex, dealerId: string): Promise<MailRow | undefined> {
  // From dealer to dealer, along the index, as far as the first who has one that is due.
  const { rows } = await db.raw<{ rows: MailRow[] }>(
    `with recursive dealer as (
       (select dealer_id from mails where state = 'due' and dealer_id > :dealerId order by dealer_id limit 1)
       union all
       select (
         select m.dealer_id from mails m where m.state = 'due' and m.dealer_id > d.dealer_id order by m.dealer_id limit 1
       )
       from dealer d
       where d.dealer_id is not null
     ), due as materialized (
       select first.*
       from dealer d,
       lateral (
         select m.dealer_id, m.id
         from mails m
         where m.dealer_id = d.dealer_id and m.state = 'due' and m.due_at <= clock_timestamp()
         order by m.due_at
         limit 1
         for update skip locked
       ) as first
       limit 1
     )
     update mails m
     set attempts = attempts + 1, due_at = clock_timestamp() + interval '2 minutes', changed_at = clock_timestamp()
     from due
     where m.dealer_id = due.dealer_id and m.id = due.id
     returning m.*`,
    { dealerId },
  )
  return rows[0]
}

const mine = ({ dealer_id, id, attempts }: MailRow) => ({ dealer_id, id, attempts })

/** From here on it may have been sent. False when somebody else has taken it meanwhile. */
export async function handOver(db: Knex, mail: MailRow): Promise<boolean> {
  const changed = await db('mails')
    .where({ ...mine(mail), state: 'due' })
    .update({ state: 'handing_over', changed_at: db.raw('clock_timestamp()') })
  return changed === 1
}

/** What became of it. A mail that is over keeps nothing that only its reader may see. */
export async function settleMail(
  db: Knex,
  mail: MailRow,
  outcome: { state: 'sent' | 'given_up' | 'unknown' } | { state: 'due'; inMinutes: number },
  failure: string | undefined,
): Promise<void> {
  const isOver = outcome.state !== 'due'
  await db('mails')
    .where(mine(mail))
    .whereNot({ state: 'sent' })
    .update({
      state: outcome.state,
      failure: failure ?? null,
      changed_at: db.raw('clock_timestamp()'),
      ...(isOver
        ? { sealed: null }
        : { due_at: db.raw('clock_timestamp() + make_interval(mins => ?)', [outcome.inMinutes]) }),
    })
}

/** Those whose sender was lost while it handed them over. */
export async function giveUpLostMails(db: Knex): Promise<void> {
  await db.raw(
    `with lost as materialized (
       select dealer_id, id
       from mails
       where state = 'handing_over' and changed_at < clock_timestamp() - interval '5 minutes'
       for update skip locked
     )
     update mails m
     set state = 'unknown', sealed = null, changed_at = clock_timestamp()
     from lost
     where m.dealer_id = lost.dealer_id and m.id = lost.id`,
  )
}

/**
 * Makes mails due again that a process of the version before gave up in the last day, with these words, since it knows
 * of no such kinds.
 */
export async function takeUpMails(db: Knex, kinds: readonly MailKind[], failure: string): Promise<void> {
  const moment = db.raw('clock_timestamp()')
  await db('mails')
    .whereIn('kind', kinds)
    .where({ state: 'given_up', failure })
    .whereRaw("changed_at > clock_timestamp() - interval '1 day'")
    .update({ state: 'due', failure: null, due_at: moment, changed_at: moment })
}

/** Forgets mails that are older than so many days; says how many. */
export async function sweepMails(db: Knex, days: number, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `with old as materialized (
       select m.*
       from dealers d,
       lateral (
         select dealer_id, id
         from mails
         where dealer_id = d.id and id < first_id_at(clock_timestamp() - :days * interval '1 day')
         order by id
         limit :atMost
         for update skip locked
       ) as m
       limit :atMost
     )
     delete from mails m
     using old
     where m.dealer_id = old.dealer_id and m.id = old.id`,
    { days, atMost },
  )
  return rowCount
}

/** Which master secrets the links in mails that wait were sealed with. */
export async function findSecretVersionsInUse(db: Knex): Promise<string[]> {
  return db('mails').distinct('secret_version').whereNotNull('sealed').pluck('secret_version')
}
