import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { beginning } from '../src/events/cursor.ts'
import { openFeed } from '../src/feed/feed.ts'
import { inner } from '../src/ids.ts'
import { lead, startService, type TestService } from './service.ts'

const bytesOfPage = 1024 * 1024
const bytesOfBuffer = 64 * 1024
const count = 12

let service: TestService
let dealer: Awaited<ReturnType<TestService['dealer']>>
const ids: string[] = []
beforeAll(async () => {
  service = await startService()
  dealer = await service.dealer('large')
  // Of what compresses well, so that it lies small in the database.
  const consents = Array(20).fill({ purpose: 'marketing', text: 'Ja tak. '.repeat(490), sourceUrl: 'x'.repeat(2_000) })
  const cars = Array(20).fill({ make: 'Volvo', model: 'EX30', comments: 'æ'.repeat(2_000) })
  const leads = Array.from({ length: count }, () => ({ lead: lead({ consents, vehiclesOfInterest: cars }) }))
  const { body } = await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })
  for (const result of body.results) ids.push(result.lead.id)
  await service.call('POST', '/v1/leads', { token: dealer.website.token, body: lead({ type: 'parts' }) })
})
afterAll(() => service.close())

/** All pages of a list: what is in each, and the bytes of the largest. */
async function pagesOf(path: string, isLast: (body: any) => boolean) {
  const pages: any[][] = []
  let bytes = 0
  for (let cursor = ''; ;) {
    const { text, body } = await service.call('GET', path + cursor, { token: dealer.dms.token })
    pages.push(body.items)
    bytes = Math.max(bytes, Buffer.byteLength(text))
    if (isLast(body)) return { pages, bytes }
    cursor = `&cursor=${body.nextCursor}`
  }
}

describe('a page of large leads', () => {
  it.each([
    ['the newest first', '?limit=200'],
    ['the oldest first', '?limit=200&order=oldest'],
    ['under a filter', '?limit=200&type=test_drive'],
    ['one at a time', '?limit=1&type=test_drive'],
  ])('has as many as there is room for, and a cursor for the others, %s', async (_what, query) => {
    const { pages, bytes } = await pagesOf(`/v1/leads${query}`, ({ nextCursor }) => nextCursor === undefined)
    expect(bytes).toBeLessThan(1.5 * bytesOfPage)
    expect(pages.length).toBeGreaterThan(1)
    for (const page of pages) expect(page.length).toBeGreaterThan(0)
    const found = pages.flat().filter(({ type }) => type === 'test_drive')
    expect(found.map(({ id }) => id)).toEqual(query.includes('oldest') ? ids : ids.toReversed())
    for (const { customer, vehiclesOfInterest } of found)
      expect([customer.phones.length, vehiclesOfInterest.length]).toEqual([1, 20])
  })

  it('is one of few events, too, and all of them come', async () => {
    const { pages, bytes } = await pagesOf('/v1/events?limit=200', ({ items }) => items.length === 0)
    expect(bytes).toBeLessThan(1.5 * bytesOfPage)
    expect(pages.flatMap((items) => items.map(({ subject }) => subject.id)).slice(0, count)).toEqual(ids)
    expect(pages.flat()).toHaveLength(count + 1)
    for (const { lead: of } of pages.flat()) expect(of.customer.phones).toHaveLength(1)
  })

  it('is not cut for whoever does not see the leads', async () => {
    const { secret } = await service.createKey(dealer.admin.token, {
      kind: 'extensive_integrations',
      scopes: ['events:read'],
    })
    const token = await service.exchange(secret)
    const { body } = await service.call('GET', '/v1/events?limit=200', { token })
    expect(body.items).toHaveLength(count + 1)
  })
})

it('lets little wait for whoever follows the feed and takes nothing, and sends it all when it does', async () => {
  const { db, hot } = service.service.database
  const scopes = new Set(['events:read', 'leads:read', 'customers:read'])
  const feed = openFeed(db, hot, async () => ({ scopes, environment: 'live' }), console.error)
  const principal = {
    dealerId: dealer.dealerId,
    subject: { type: 'api_key', id: inner(dealer.dms.id) },
    credentialId: randomUUID(),
    epoch: 1,
    scopes,
    needed: [],
    mustBeFresh: false,
    address: null,
    expiresAt: new Date(Date.now() + 3_600_000),
    kid: 'k',
  } as const
  const following = { test: false, skip: false, excludeOwn: false, requestId: 'r' }
  const behind = await feed.follow(principal, { ...following, after: beginning })
  const atTheEnd = await feed.follow({ ...principal, credentialId: randomUUID() }, following)
  let most = 0
  for (const stream of [behind, atTheEnd]) {
    const { push } = stream
    stream.push = (...chunk) => {
      const hasRoom = push.apply(stream, chunk)
      most = Math.max(most, stream.readableLength)
      return hasRoom
    }
  }
  const again = await service.call('GET', '/v1/leads?order=oldest&limit=1', { token: dealer.dms.token })
  const leads = Array.from({ length: count }, () => ({
    lead: lead({ consents: again.body.items[0].consents, vehiclesOfInterest: again.body.items[0].vehiclesOfInterest }),
  }))
  await service.call('POST', '/v1/leads/batch', { token: dealer.website.token, body: { leads } })

  const read = async (stream: typeof behind, wanted: number) => {
    let text = ''
    for await (const chunk of stream) {
      text += chunk
      if (text.match(/^data: \{"id"/gm)?.length === wanted) return wanted
    }
  }
  await expect.poll(() => Math.min(behind.readableLength, atTheEnd.readableLength)).toBeGreaterThan(bytesOfBuffer)
  expect(await Promise.all([read(behind, 2 * count + 1), read(atTheEnd, count)])).toEqual([2 * count + 1, count])
  expect(most).toBeLessThan(2 * bytesOfBuffer + 400_000)
  feed.stop()
})
