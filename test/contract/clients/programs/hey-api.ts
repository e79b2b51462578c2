import { createClient, createConfig } from './client/client/index.ts'
import {
  createLead,
  exchangeApiKey,
  getLead,
  type LeadInput,
  listEvents,
  listLeads,
  updateLead,
} from './client/index.ts'
import { eventsPerPage, type Key, type Keys, type Outcome, sorted } from './main-job.ts'

const lead: LeadInput = {
  type: 'test_drive',
  customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56', type: 'mobile' }] },
  vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
  extra: { showroom: 'Nordhavn' },
}

export async function mainJob(baseUrl: string, { websiteKey, dmsKey }: Keys): Promise<Outcome> {
  const website = await connected(baseUrl, websiteKey)
  const client = await connected(baseUrl, dmsKey)

  const { data: created } = await createLead({ client: website, body: lead, throwOnError: true })
  const { data: page } = await listLeads({
    client,
    query: { type: ['test_drive'], status: ['new', 'in_progress'], limit: 10 },
    throwOnError: true,
  })

  const path = { leadId: created.id }
  const { response } = await getLead({ client, path, throwOnError: true })
  const etag = response.headers.get('ETag') ?? ''
  const { data: updated } = await updateLead({
    client,
    path,
    headers: { 'If-Match': etag },
    body: { status: 'in_progress' },
    throwOnError: true,
  })

  const types: string[] = []
  for (let cursor: string | undefined; ;) {
    const query = { ...path, limit: eventsPerPage, ...(cursor && { cursor }) }
    const { data: events } = await listEvents({ client, query, throwOnError: true })
    types.push(...events.items.map(({ type }) => type))
    if (events.items.length === 0 || events.nextCursor === cursor) break
    cursor = events.nextCursor
  }

  return {
    created: { id: created.id, duplicate: created.duplicate, warnings: created.warnings.length },
    listed: page.items.map(({ id }) => id),
    etag,
    updated: { id: updated.id, status: updated.status, version: updated.version },
    events: sorted(types),
  }
}

async function connected(baseUrl: string, key: Key) {
  const { data } = await exchangeApiKey({
    client: createClient(createConfig({ baseUrl })),
    body: { grant_type: 'client_credentials', client_id: key.id, client_secret: key.secret },
    throwOnError: true,
  })
  return createClient(createConfig({ baseUrl, auth: data.access_token }))
}
