import { Api, type LeadInput, LeadStatusInput, LeadTypeInput } from './client.ts'
import { eventsPerPage, type Key, type Keys, type Outcome, sorted } from './main-job.ts'

const lead: LeadInput = {
  type: 'test_drive',
  customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56', type: 'mobile' }] },
  vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
  extra: { showroom: 'Nordhavn' },
}

export async function mainJob(baseUrl: string, { websiteKey, dmsKey }: Keys): Promise<Outcome> {
  const website = await connected(baseUrl, websiteKey)
  const dms = await connected(baseUrl, dmsKey)

  const { data: created } = await website.v1.createLead(lead)
  const { data: page } = await dms.v1.listLeads({
    type: [LeadTypeInput.TestDrive],
    status: [LeadStatusInput.New, LeadStatusInput.InProgress],
    limit: 10,
  })

  const { headers } = await dms.v1.getLead(created.id)
  const etag = headers.get('ETag') ?? ''
  const { data: updated } = await dms.v1.updateLead(
    created.id,
    { status: LeadStatusInput.InProgress },
    { headers: { 'If-Match': etag } },
  )

  const types: string[] = []
  for (let cursor: string | undefined; ;) {
    const { data: events } = await dms.v1.listEvents({
      leadId: created.id,
      limit: eventsPerPage,
      ...(cursor && { cursor }),
    })
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
  const { data } = await new Api({ baseUrl }).v1.exchangeApiKey({
    grant_type: 'client_credentials',
    client_id: key.id,
    client_secret: key.secret,
  })
  return new Api({ baseUrl, baseApiParams: { headers: { Authorization: `${data.token_type} ${data.access_token}` } } })
}
