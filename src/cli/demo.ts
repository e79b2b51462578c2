import { createApiKey, deleteApiKey, signIn } from '../../generated/dashboard/sdk.gen.ts'
import * as api from '../client/client.ts'
import { firstAdminPath, readFirstAdmin } from '../data-dir.ts'
import { settings } from './settings.ts'

/**
 * The main job against the running service: an admin makes keys as in the dashboard, and systems use them through the
 * published client. Every step says what happened and how long it took.
 */
const { publicUrl: baseUrl, dataDir, admin } = settings()
const run = Date.now().toString(36)
const client = (token?: string) => api.createClient({ baseUrl, ...(token && { auth: () => token }) })

async function step<T>(what: string, work: () => Promise<T>, told: (value: T) => string = () => ''): Promise<T> {
  const started = performance.now()
  try {
    const value = await work()
    console.log(`  ok  ${what.padEnd(62)} ${(performance.now() - started).toFixed(0).padStart(5)} ms  ${told(value)}`)
    return value
  } catch (error) {
    console.error(`FAIL  ${what}: ${error instanceof Error ? error.message : String(error)}`)
    process.exit(1)
  }
}

/** The answer of a call, which must have the status that the demo expects. */
async function expected<T>(
  call: Promise<{ data?: T; error?: unknown; response?: Response }>,
  status: number,
): Promise<{ data: T; response: Response }> {
  const { data, error, response } = await call
  if (!response)
    throw new Error(
      `nothing answers at ${baseUrl} (${reasonOf(error)}). Is the service running? Start it with npm start, and give the demo the same PORT and DATA_DIR`,
    )
  if (response.status !== status)
    throw new Error(`answered ${response.status} instead of ${status}: ${JSON.stringify(error ?? data)}`)
  // The cast: an answer of the expected status has the body of that status.
  return { data: data as T, response }
}

/** fetch hides what went wrong in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : String(cause)
}

function firstAdmin(): { email: string; password: string } {
  if (admin.password) return { email: admin.email, password: admin.password }
  const first = readFirstAdmin(dataDir)
  if (first) return first
  console.error(
    `${firstAdminPath(dataDir)} is missing or damaged. Start the service with npm start first, or set ADMIN_EMAIL and ADMIN_PASSWORD to those of an admin.`,
  )
  process.exit(1)
}

console.log(`Demo against ${baseUrl}\n`)
const session = await step('signs in as the first admin', () =>
  expected(signIn({ client: client(), body: firstAdmin() }), 200),
)
const office = client(session.data.access_token)
const makeKey = (name: string, kind: 'digital_requests' | 'extensive_integrations', sources?: string[]) =>
  expected(createApiKey({ client: office, body: { name: `${name} ${run}`, kind, ...(sources && { sources }) } }), 201)
const website = await step(
  'makes an API key for digital requests',
  () => makeKey('Demo web site', 'digital_requests'),
  ({ data }) => data.apiKey.mask,
)
const dms = await step(
  'makes an API key for extensive integrations',
  () => makeKey('Demo DMS', 'extensive_integrations', ['Demo DMS']),
  ({ data }) => data.apiKey.mask,
)

const exchange = async (secret: string) =>
  expected(
    api.exchangeApiKey({
      client: api.createClient({ baseUrl, auth: ({ name }) => (name === 'X-Api-Key' ? secret : undefined) }),
    }),
    200,
  )
const websiteToken = await step(
  'exchanges the first for an access token',
  () => exchange(website.data.secret),
  ({ data }) => `${data.expires_in} s, ${data.scope}`,
)
const dmsToken = await step(
  'exchanges the second',
  () => exchange(dms.data.secret),
  ({ data }) => `${data.expires_in} s, ${data.scope.split(' ').length} scopes`,
)
const site = client(websiteToken.data.access_token)
const system = api.connect({ baseUrl, apiKey: dms.data.secret })

const leads = [
  {
    type: 'test_drive',
    message: 'Can I try the EX30 on Saturday?',
    customer: { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56' }] },
    vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }],
  },
  {
    type: 'trade_in',
    customer: { name: { full: 'Peter Holm' }, emails: [{ address: 'peter@customer.example' }] },
    tradeIns: [{ make: 'Toyota', model: 'Yaris', modelYear: 2016 }],
  },
  {
    type: 'callback',
    message: 'Ring after four, please',
    customer: { name: { given: 'Mads' }, phones: [{ number: '32 12 34 5x' }] },
  },
].map((lead, at) => ({ ...lead, externalReference: { source: 'demo', id: `${run}-${at}` } }))
const pushed: { data: api.LeadAccepted }[] = []
for (const [at, body] of leads.entries())
  pushed.push(
    await step(
      `pushes lead ${at + 1} of ${leads.length}`,
      () => expected(api.createLead({ client: site, body }), 201),
      ({ data }) => [data.id, ...data.warnings.map(({ code }) => `(${code})`)].join(' '),
    ),
  )
const [first] = pushed
await step('has the badly typed phone accepted with a warning', async () => {
  if (pushed.map(({ data }) => data.warnings.length).join() !== '0,0,1')
    throw new Error('the third lead, and only that, should have a warning')
})
const leadId = first?.data.id ?? ''

await step('pushes the first again: it is the same lead', async () => {
  const again = await expected(api.createLead({ client: site, body: leads[0] as (typeof leads)[number] }), 200)
  if (again.data.id !== leadId || !again.data.duplicate) throw new Error('a second lead was made')
})
await step('is refused when the write-only key reads', () => expected(api.listLeads({ client: site }), 403))
await step(
  'reads the leads with the other key, which the client exchanges',
  async () => {
    const listed = await expected(
      api.listLeads({ client: system, query: { sourceKeyId: website.data.apiKey.id } }),
      200,
    )
    if (listed.data.items.length !== leads.length)
      throw new Error(`${listed.data.items.length} of ${leads.length} leads are listed`)
    return listed
  },
  ({ data }) => `${data.items.length} leads`,
)
const seen = await step(
  'reads one of them',
  () => expected(api.getLead({ client: system, path: { leadId } }), 200),
  ({ data }) => data.status,
)
const etag = seen.response.headers.get('etag') ?? ''
await step(
  'moves it through the pipeline',
  () =>
    expected(
      api.updateLead({
        client: system,
        path: { leadId },
        headers: { 'If-Match': etag },
        body: { status: 'in_progress' },
      }),
      200,
    ),
  ({ data }) => data.status,
)
// Peter shares a number with Anna, as a household does: people are asked whether they are the same.
const known = [
  { name: { given: 'Anna', family: 'Jensen' }, phones: [{ number: '32 12 34 56' }], address: { city: 'Rungsted' } },
  { name: { given: 'Peter', family: 'Jensen' }, phones: [{ number: '+45 32 12 34 56' }] },
  { name: { given: 'Anna', family: 'Jensen' }, emails: [{ address: 'anna@customer.example' }] },
]
const customers: string[] = []
for (const [at, customer] of known.entries()) {
  const path = { source: 'Demo DMS', id: `${run}-${at}` }
  customers.push(
    await step(
      `says as the DMS what it knows of customer ${at + 1} of ${known.length}`,
      async () =>
        (await expected(api.upsertCustomerByReference({ client: system, path, body: customer }), 201)).data.id,
      (id) => id,
    ),
  )
}
const [anna = '', , again = ''] = customers
await step('merges the third into the first, whose the third id is then', async () => {
  const path = { customerId: again }
  await expected(api.mergeCustomers({ client: system, path, body: { into: anna } }), 200)
  const { data } = await expected(api.getCustomer({ client: system, path }), 200)
  if (data.id !== anna) throw new Error(`the third id leads to ${data.id}`)
})
for (const { data } of [website, dms])
  await step(`deletes ${data.apiKey.name}`, () =>
    expected(deleteApiKey({ client: office, path: { apiKeyId: data.apiKey.id } }), 204),
  )
await step('is refused with the tokens of both', async () => {
  await expected(api.createLead({ client: site, body: { customer: { phones: [{ number: '32 12 34 56' }] } } }), 401)
  await expected(api.getLead({ client: client(dmsToken.data.access_token), path: { leadId } }), 401)
  await expected(api.getLead({ client: system, path: { leadId } }), 401)
})
console.log('\nDone.')
