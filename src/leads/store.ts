import type { Knex } from 'knex'
import type pg from 'pg'
import type { ExternalReference, LeadStatus, LeadStatusReason, LeadType, Warning } from '../../generated/server/types.gen.ts'
import type { Idempotency } from './idempotency.ts'
import type { LeadData } from './lead.ts'

/** A lead on its way in, with the ids made beforehand and the credential that it is judged by. */
export interface IncomingLead {
  dealerId: string
  credentialId: string
  epoch: number
  id: string
  eventId: string
  type: LeadType
  test: boolean
  externalReference: ExternalReference | undefined
  submittedAt: string | undefined
  /** JSON of `LeadData`. */
  data: string
  /** JSON of the warnings. */
  warnings: string
  idempotency: Idempotency | undefined
  /** The document that the lead was read from, as it came. */
  original: { mediaType: string; content: Buffer } | undefined
}

export interface Verdict {
  verdict: 'created' | 'duplicate' | 'key-reused' | 'token-invalid' | 'scope-missing' | 'keys-newer'
  /** The same request had this answer before. */
  replayed: boolean
  lead_id: string
  received: Date
  lead_warnings: Warning[]
}

/**
 * Stores a group in one call of one function, one round trip, one commit. The verdicts come in the order of the leads. A group whose
 * answer was lost is sent again as `redriven`: what was stored then counts as stored by it.
 */
export async function createLeads(hot: pg.Pool, generation: string, redriven: boolean, group: readonly IncomingLead[]): Promise<Verdict[]> {
  const column = <T>(of: (incoming: IncomingLead) => T) => group.map(of)
  const { rows } = await hot.query<Verdict>({
    name: 'create-leads',
    text: 'select verdict, replayed, lead_id, received, lead_warnings from create_leads($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)',
    values: [
      generation,
      redriven,
      column(({ dealerId }) => dealerId),
      column(({ credentialId }) => credentialId),
      column(({ epoch }) => epoch),
      column(({ id }) => id),
      column(({ eventId }) => eventId),
      column(({ type }) => type),
      column(({ test }) => test),
      column(({ externalReference }) => externalReference?.source ?? null),
      column(({ externalReference }) => externalReference?.id ?? null),
      column(({ submittedAt }) => submittedAt ?? null),
      column(({ data }) => data),
      column(({ warnings }) => warnings),
      column(({ idempotency }) => idempotency?.key ?? null),
      column(({ idempotency }) => idempotency?.requestHash ?? null),
      column(({ original }) => original?.mediaType ?? null),
      column(({ original }) => original?.content ?? null),
    ],
  })
  return rows
}

/** Those of the dealers whose clock nobody holds at this moment. */
export async function freeDealers(hot: pg.Pool, dealerIds: readonly string[]): Promise<string[]> {
  const { rows } = await hot.query<{ dealer_id: string }>({
    name: 'free-dealers',
    text: 'select dealer_id from dealer_clocks where dealer_id = any ($1) order by dealer_id for update skip locked',
    values: [dealerIds],
  })
  return rows.map(({ dealer_id }) => dealer_id)
}

/** Forgets the keys that have expired, some at a time; says how many. Other processes that do the same are not waited for. */
export async function sweepIdempotencyKeys(db: Knex, atMost: number): Promise<number> {
  const { rowCount } = await db.raw<{ rowCount: number }>(
    `delete from lead_claims where ctid = any (array(
       select ctid from lead_claims where expires_at < 'infinity' and expires_at <= clock_timestamp() limit ? for update skip locked))`,
    [atMost],
  )
  return rowCount
}

export interface LeadRow {
  id: string
  type: LeadType
  status: LeadStatus
  status_reason: LeadStatusReason | null
  source_type: 'api_key' | 'user'
  source_id: string
  source_name: string
  test: boolean
  external_source: string | null
  external_id: string | null
  submitted_at: Date | null
  received_at: Date
  updated_at: Date
  version: number
  data: LeadData
  warnings: Warning[]
}

export interface LeadFilter {
  test: boolean
  status?: readonly LeadStatus[]
  type?: readonly LeadType[]
  sourceId?: string
  updatedSince?: Date
  before?: string
  limit: number
}

function named(db: Knex, dealerId: string) {
  return db('leads as l')
    .leftJoin('api_keys as k', (on) => on.on('k.dealer_id', 'l.dealer_id').on('k.id', 'l.source_id'))
    .leftJoin('users as u', (on) => on.on('u.dealer_id', 'l.dealer_id').on('u.id', 'l.source_id'))
    .where({ 'l.dealer_id': dealerId })
    .select('l.*', db.raw("coalesce(k.name, u.name, '') as source_name"))
}

/** Newest first: ids are UUIDs of version 7, which rise with time. */
export async function findLeads(db: Knex, dealerId: string, filter: LeadFilter): Promise<LeadRow[]> {
  let query = named(db, dealerId).where({ 'l.test': filter.test }).orderBy('l.id', 'desc').limit(filter.limit)
  if (filter.status) query = query.whereIn('l.status', filter.status)
  if (filter.type) query = query.whereIn('l.type', filter.type)
  if (filter.sourceId) query = query.where({ 'l.source_id': filter.sourceId })
  if (filter.updatedSince) query = query.where('l.updated_at', '>=', filter.updatedSince)
  if (filter.before) query = query.where('l.id', '<', filter.before)
  return query
}

/** The lead as it is now. Within `write` nobody else is changing it. */
export async function findLead(db: Knex, dealerId: string, id: string): Promise<LeadRow | undefined> {
  return named(db, dealerId).where({ 'l.id': id }).first()
}

/** The document that a lead was read from, if it came as one. */
export async function findOriginal(db: Knex, dealerId: string, leadId: string): Promise<{ media_type: string; content: Buffer } | undefined> {
  return db('lead_originals').where({ dealer_id: dealerId, lead_id: leadId }).first('media_type', 'content')
}

export async function saveLead(trx: Knex.Transaction, dealerId: string, lead: Pick<LeadRow, 'id' | 'status' | 'status_reason' | 'version' | 'updated_at'>): Promise<void> {
  const { id, ...change } = lead
  await trx('leads').where({ dealer_id: dealerId, id }).update(change)
}
