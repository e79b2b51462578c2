import { outer } from '../../src/ids.ts'
import { median } from './harness.ts'
import type { LargeDealer } from './large-world.ts'

const rounds = 5

export interface Question {
  operation: string
  what: string
  path: string
  token: string
  body?: object
}

/**
 * Each operation of a person or a DMS that lists, counts or filters, with each of its filters at its worst: the first
 * page, a far one, no match at all, or one that is the oldest of all. `common` is what nearly all leads of the dealer
 * are.
 */
export function questions(
  { keys, dms, admin, oldestLeadId, adminId, behindRare, nearEnd }: LargeDealer,
  common: 'live' | 'test',
) {
  const lead = outer('lead', oldestLeadId)
  const key = (id: string) => outer('key', id)
  const [usual, rare] = common === 'live' ? ['false', 'true'] : ['true', 'false']
  const hourAgo = new Date(Date.now() - 3_600_000 - 60_000).toISOString()
  const monthAgo = new Date(Date.now() - 30 * 86_400_000).toISOString()
  const soon = new Date(Date.now() + 60_000).toISOString()
  const far = `cursor=${oldestLeadId.slice(0, 11).replaceAll('-', '')}ffffffffffffffffffffff`
  const asked = (operation: string, token: string, base: string, queries: readonly string[]): Question[] =>
    queries.map((query) => ({ operation, what: query, path: `${base}?${query}`, token }))
  return [
    ...asked('listLeads', dms, '/v1/leads', [
      `test=${usual}`,
      `test=${usual}&limit=200`,
      `test=${usual}&${far}`,
      `test=${rare}`,
      `test=${rare}&order=oldest&cursor=${oldestLeadId.slice(0, 2)}ffffffffff70008000000000000000`,
      ...[usual, rare].flatMap((test) =>
        [
          'status=new',
          'status=acknowledged',
          'status=appointment_set',
          'status=won&status=lost',
          'type=parts',
          'type=finance',
          'type=test_drive&type=enquiry',
          'type=test_drive&status=new&order=oldest',
          `sourceKeyId=${key(keys.website)}`,
          `sourceKeyId=${key(keys.quiet)}`,
          `sourceKeyId=${key(keys.tests)}`,
          `sourceKeyId=${key(keys.none)}`,
          `sourceKeyId=${key(keys.website)}&status=acknowledged`,
          `sourceKeyId=${key(keys.website)}&type=service`,
          'contact=nobody@customer.example',
          'contact=anna.1@customer.example',
          'contact=info@dealer.example',
          'contact=info@dealer.example&status=acknowledged',
          'contact=%2B4520000001',
          `updatedSince=${soon}`,
          `updatedSince=${hourAgo}`,
          `updatedSince=${hourAgo}&order=oldest`,
          `updatedSince=${monthAgo}&order=oldest`,
          `updatedSince=${monthAgo}&status=acknowledged`,
        ].map((query) => `test=${test}&${query}`),
      ),
    ]),
    ...asked('getLeadCounts', dms, '/v1/leads/counts', [
      ...[usual, rare].flatMap((test) =>
        [
          '',
          'type=parts',
          'type=finance',
          `sourceKeyId=${key(keys.website)}`,
          `sourceKeyId=${key(keys.quiet)}`,
          `sourceKeyId=${key(keys.website)}&type=service`,
          'contact=info@dealer.example',
        ].map((query) => `test=${test}&${query}`),
      ),
    ]),
    ...asked('listEvents', dms, '/v1/events', [
      ...[usual, rare].flatMap((test) =>
        [
          '',
          'limit=200',
          `cursor=${behindRare}`,
          `cursor=${nearEnd}`,
          `leadId=${lead}`,
          `leadId=${lead}&cursor=${behindRare}`,
        ].map((query) => `test=${test}&${query}`),
      ),
    ]),
    ...asked('listSources', admin, '/v1/sources', ['limit=200', 'limit=50']),
    ...asked('listApiKeys', admin, '/v1/api-keys', ['limit=200', 'deleted=true', 'kind=extensive_integrations']),
    ...asked('listApiKeyRequests', admin, `/v1/api-keys/${key(keys.website)}/requests`, [
      'limit=200',
      'operation=getLead',
      'operation=createLeadBatch',
      'statusClass=4',
      'statusClass=5',
      `leadId=${lead}`,
      'operation=createLead&statusClass=4',
      'operation=createLead&statusClass=5',
    ]),
    ...asked('getApiKeyUsage', admin, `/v1/api-keys/${key(keys.website)}/usage`, ['hours=24', 'hours=2160']),
    ...asked('listAuditEntries', admin, '/v1/audit-entries', [
      'limit=200',
      'action=api_key.deleted',
      'action=user.created',
      `actorId=${outer('user', adminId)}`,
      `actorId=${key(keys.quiet)}`,
      `subjectId=${key(keys.quiet)}`,
      `subjectId=${key(keys.none)}&action=user.created`,
      `until=${monthAgo}`,
      `since=${soon}`,
    ]),
    ...asked('listMails', admin, '/v1/mails', ['limit=200']),
    ...asked('listOwnSessions', admin, '/v1/me/sessions', ['']),
    ...asked('listUsers', admin, '/v1/users', ['']),
    {
      operation: 'reconcileReferences',
      what: '10,000 of them',
      path: '/v1/leads/reconciliation',
      token: dms,
      body: { references: Array.from({ length: 10_000 }, (_, n) => ({ source: 'dms', id: String(n * 40) })) },
    },
  ] satisfies Question[]
}

export interface Asked extends Question {
  /** The median of some rounds. */
  ms: number
  items: number
}

/** Asks in turn, so that what else the machine does hits all alike. */
export async function ask(url: string, all: readonly Question[]): Promise<Asked[]> {
  const taken = all.map((question) => ({ question, ms: [] as number[], items: 0 }))
  for (let round = 0; round < rounds; round++) {
    for (const each of taken) {
      const { path, token, body } = each.question
      const started = performance.now()
      const reply = await fetch(url + path, {
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { method: 'POST', body: JSON.stringify(body) }),
      })
      const answer = await reply.text()
      each.ms.push(performance.now() - started)
      if (!reply.ok) throw new Error(`${path} was answered ${reply.status} ${answer}`)
      each.items = JSON.parse(answer).items?.length ?? 0
    }
  }
  return taken.map(({ question, ms, items }) => ({ ...question, ms: median(ms), items }))
}
