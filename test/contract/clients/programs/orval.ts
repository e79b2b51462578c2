import {
  createLead,
  exchangeApiKey,
  getLead,
  type LeadInput,
  LeadStatusInput,
  LeadTypeInput,
  listEvents,
  listLeads,
  type OAuthError,
  type Problem,
  updateLead,
} from './client.ts'
import { eventsPerPage, type Key, type Keys, type Outcome, sorted } from './main-job.ts'
import { useServer } from './orval-fetch.ts'

const lead: LeadInput = {
  type: 'test_drive',
  customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56', type: 'mobile' }] },
  vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
  extra: { showroom: 'Nordhavn' },
}

export async function mainJob(baseUrl: string, { websiteKey, dmsKey }: Keys): Promise<Outcome> {
  useServer(baseUrl)
  const website = { headers: await authorization(websiteKey) }
  const dms = { headers: await authorization(dmsKey) }

  const created = await createLead(lead, website)
  if (created.status !== 201 && created.status !== 200) throw refused(created.data)

  const page = await listLeads(
    { type: [LeadTypeInput.test_drive], status: [LeadStatusInput.new, LeadStatusInput.in_progress], limit: 10 },
    dms,
  )
  if (page.status !== 200) throw refused(page.data)

  const read = await getLead(created.data.id, dms)
  if (read.status === 304) throw new Error('The lead was asked for, whatever its version')
  if (read.status !== 200) throw refused(read.data)
  const etag = read.headers.get('ETag') ?? ''

  const updated = await updateLead(
    created.data.id,
    { status: LeadStatusInput.in_progress },
    { headers: { ...dms.headers, 'If-Match': etag } },
  )
  if (updated.status !== 200) throw refused(updated.data)

  const types: string[] = []
  for (let cursor: string | undefined; ;) {
    const events = await listEvents({ leadId: created.data.id, limit: eventsPerPage, ...(cursor && { cursor }) }, dms)
    if (events.status !== 200) throw refused(events.data)
    types.push(...events.data.items.map(({ type }) => type))
    if (events.data.items.length === 0 || events.data.nextCursor === cursor) break
    cursor = events.data.nextCursor
  }

  return {
    created: { id: created.data.id, duplicate: created.data.duplicate, warnings: created.data.warnings.length },
    listed: page.data.items.map(({ id }) => id),
    etag,
    updated: { id: updated.data.id, status: updated.data.status, version: updated.data.version },
    events: sorted(types),
  }
}

async function authorization(key: Key) {
  const token = await exchangeApiKey({ grant_type: 'client_credentials', client_id: key.id, client_secret: key.secret })
  if (token.status !== 200) throw refused(token.data)
  return { Authorization: `${token.data.token_type} ${token.data.access_token}` }
}

function refused(failure: Problem | OAuthError): Error {
  return 'code' in failure
    ? new Error(`${failure.code}: ${failure.detail}`)
    : new Error(`${failure.error}: ${failure.error_description}`)
}
