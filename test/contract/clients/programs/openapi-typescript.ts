import createClient from 'openapi-fetch'
import { eventsPerPage, type Key, type Keys, type Outcome, sorted } from './main-job.ts'
import type { components, paths } from './schema.ts'

type LeadInput = components['schemas']['LeadInput']

const lead: LeadInput = {
  type: 'test_drive',
  customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56', type: 'mobile' }] },
  vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
  extra: { showroom: 'Nordhavn' },
}

export async function mainJob(baseUrl: string, { websiteKey, dmsKey }: Keys): Promise<Outcome> {
  const website = createClient<paths>({ baseUrl, headers: await authorization(baseUrl, websiteKey) })
  const dms = createClient<paths>({ baseUrl, headers: await authorization(baseUrl, dmsKey) })

  const created = answered(await website.POST('/v1/leads', { body: lead }))
  const page = answered(
    await dms.GET('/v1/leads', {
      params: { query: { type: ['test_drive'], status: ['new', 'in_progress'], limit: 10 } },
    }),
  )

  const path = { leadId: created.id }
  const read = await dms.GET('/v1/leads/{leadId}', { params: { path } })
  const etag = read.response.headers.get('ETag') ?? ''
  const updated = answered(
    await dms.PATCH('/v1/leads/{leadId}', {
      params: { path, header: { 'If-Match': etag } },
      body: { status: 'in_progress' },
    }),
  )

  const types: string[] = []
  for (let cursor: string | undefined; ;) {
    const query = { leadId: created.id, limit: eventsPerPage, ...(cursor && { cursor }) }
    const events = answered(await dms.GET('/v1/events', { params: { query } }))
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

async function authorization(baseUrl: string, key: Key) {
  const { data, error } = await createClient<paths>({ baseUrl }).POST('/v1/auth/token', {
    body: { grant_type: 'client_credentials', client_id: key.id, client_secret: key.secret },
    bodySerializer: (form) => new URLSearchParams(form),
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
  })
  if (error) throw new Error(`${error.error}: ${error.error_description}`)
  return { Authorization: `${data.token_type} ${data.access_token}` }
}

function answered<T>({ data, error }: { data?: T; error?: components['schemas']['Problem'] }): T {
  if (data === undefined) throw new Error(`${error?.code}: ${error?.detail}`)
  return data
}
