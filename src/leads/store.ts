import type { Knex } from 'knex'
import type pg from 'pg'
import type { LeadStatus, LeadStatusReason, LeadType, Warning } from '../../generated/server/types.gen.ts'
import type { LeadData, NewLead } from './lead.ts'

/** A lead on its way in, with the ids made beforehand and the credential that it is judged by. */
export interface IncomingLead {
  dealerId: string
  credentialId: string
  epoch: number
  id: string
  eventId: string
  lead: NewLead
}

export interface Verdict {
  verdict: 'created' | 'duplicate' | 'token-invalid' | 'scope-missing' | 'keys-newer'
  lead_id: string
  received: Date
  lead_warnings: Warning[]
}

/** Stores a group in one call of one function, one round trip, one commit. The verdicts come in the order of the leads. */
export async function createLeads(hot: pg.Pool, generation: string, group: readonly IncomingLead[]): Promise<Verdict[]> {
  const column = <T>(of: (incoming: IncomingLead) => T) => group.map(of)
  const { rows } = await hot.query<Verdict>({
    name: 'create-leads',
    text: 'select verdict, lead_id, received, lead_warnings from create_leads($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) order by ord',
    values: [
      generation,
      column(({ dealerId }) => dealerId),
      column(({ credentialId }) => credentialId),
      column(({ epoch }) => epoch),
      column(({ id }) => id),
      column(({ eventId }) => eventId),
      column(({ lead }) => lead.type),
      column(({ lead }) => lead.test),
      column(({ lead }) => lead.externalReference?.source ?? null),
      column(({ lead }) => lead.externalReference?.id ?? null),
      column(({ lead }) => lead.submittedAt ?? null),
      column(({ lead }) => JSON.stringify(lead.data)),
      column(({ lead }) => JSON.stringify(lead.warnings)),
    ],
  })
  return rows
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
  const query = named(db, dealerId).where({ 'l.test': filter.test }).orderBy('l.id', 'desc').limit(filter.limit)
  if (filter.status) query.whereIn('l.status', filter.status)
  if (filter.type) query.whereIn('l.type', filter.type)
  if (filter.sourceId) query.where({ 'l.source_id': filter.sourceId })
  if (filter.updatedSince) query.where('l.updated_at', '>=', filter.updatedSince)
  if (filter.before) query.where('l.id', '<', filter.before)
  return query
}

/** The lead as it is now. Within `write` nobody else is changing it. */
export async function findLead(db: Knex, dealerId: string, id: string): Promise<LeadRow | undefined> {
  return named(db, dealerId).where({ 'l.id': id }).first()
}

export async function saveLead(trx: Knex.Transaction, dealerId: string, lead: Pick<LeadRow, 'id' | 'status' | 'status_reason' | 'version' | 'updated_at'>): Promise<void> {
  const { id, ...change } = lead
  await trx('leads').where({ dealer_id: dealerId, id }).update(change)
}
