import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { amount } from './long.ts'
import { numbers } from './national-numbers.ts'
import { seed } from './seed.ts'
import { startService, type TestService } from './service.ts'

// National numbers are nowhere in the database, whatever they came in and wherever they stood. They are nobody's.

let service: TestService
const tokens = new Map<string, string>()
beforeAll(async () => {
  service = await startService()
  for (const country of Object.keys(numbers)) {
    const { dealerId, website } = await service.dealer(`masked-${country.toLowerCase()}`)
    await service.db('dealers').where({ id: dealerId }).update({ country })
    tokens.set(country, website.token)
  }
})
afterAll(() => service.close())

/** Every value of every row of every table, as text, and as the bytes that are in it. */
async function allStored(): Promise<{ texts: string; bytes: Buffer }> {
  const { rows: tables } = await service.db.raw<{ rows: { name: string }[] }>(
    "select table_name as name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'",
  )
  expect(tables.length).toBeGreaterThan(20)
  const texts: string[] = []
  const bytes: Buffer[] = []
  for (const { name } of tables) {
    const { rows } = await service.db.raw<{ rows: { row: string }[] }>(`select t::text as row from "${name}" t`)
    for (const { row } of rows) {
      texts.push(row)
      for (const [, hex = ''] of row.matchAll(/\\x([0-9a-f]{2,})/g)) {
        const held = Buffer.from(hex, 'hex')
        const [, base64 = ''] = held.toString('latin1').split('base64\r\n\r\n')
        bytes.push(held, Buffer.from(base64, 'base64'))
      }
    }
  }
  return { texts: texts.join('\n'), bytes: Buffer.concat(bytes) }
}

const contact = { phones: [{ number: '32 12 34 56' }] }
/** Where a lead has room for what people write; one that the contract does not know keeps the original. */
const places: Record<string, (said: string) => object> = {
  'the message': (said) => ({ message: `nr. ${said}, tak` }),
  'a message of HTML': (said) => ({ message: `<p>nr. <b>${said}</b></p>` }),
  'a name': (said) => ({ customer: { ...contact, name: { full: `Ida ${said}` } } }),
  'an address': (said) => ({ customer: { ...contact, address: { lines: [`Gade 1, ${said}`], city: said } } }),
  'an unknown member': (said) => ({ cpr: said, deep: { deeper: [said] } }),
  'a name of an unknown member': (said) => ({ [`nr. ${said}`]: 1, extra: { [`nr. ${said}`]: { [said]: 2 } } }),
  'a car': (said) => ({ vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30', comments: said, colour: said }] }),
  'a consent': (said) => ({ consents: [{ text: `I, ${said}, agree` }] }),
  'a word that nobody knows': (said) => ({ type: said, submittedAt: said }),
  'an appointment': (said) => ({ appointment: { comments: `nr. ${said}` } }),
  'a page': (said) => ({ attribution: { formName: `nr. ${said}` } }),
}
const hexOf = (letter: string) => letter.charCodeAt(0).toString(16).padStart(4, '0')
const escaped = (text: string) => text.replace(/[^]/g, (letter) => `\\u${hexOf(letter)}`)

interface Sent {
  path: string
  mediaType: string
  body: Buffer
  /** The number as it stands there. */
  written: Buffer
}
const jsonBodies: Record<string, (json: string, number: string) => Sent> = {
  'UTF-8': (json, number) => asJson(Buffer.from(json), Buffer.from(number)),
  'UTF-16': (json, number) => asJson(Buffer.from(`\ufeff${json}`, 'utf16le'), Buffer.from(number, 'utf16le')),
  escapes: (json, number) =>
    asJson(Buffer.from(json.replaceAll(number, escaped(number))), Buffer.from(escaped(number))),
  'a batch': (json, number) => ({
    ...asJson(
      Buffer.from(`{"leads":[{"lead":${json}},{"lead":${json.replaceAll(number, escaped(number))}}]}`),
      Buffer.from(number),
    ),
    path: '/v1/leads/batch',
  }),
}
const asJson = (body: Buffer, written: Buffer): Sent => ({
  path: '/v1/leads',
  mediaType: 'application/json',
  body,
  written,
})

let count = 0
const adf = (said: string, encoding = '') =>
  `${encoding && `<?xml version="1.0" encoding="${encoding}"?>`}<adf><prospect><id source="x">id-${++count}</id><customer><contact><name part="full" type="${said}">Søren</name><phone>32 12 34 56</phone></contact><comments>nr. ${said}, tak</comments></customer><more><cpr value="${said}">${said}</cpr></more></prospect></adf>`
const references = (text: string) => text.replace(/[^]/gu, (letter) => `&#${letter.codePointAt(0)};`)
const quoted = (text: string) =>
  [...Buffer.from(text)].map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
const lined = (text: string) => text.replace(/[^]{76}/g, '$&\r\n')
const documents: Record<string, (number: string) => Sent> = {
  'UTF-8': (number) => asAdf(Buffer.from(adf(number)), Buffer.from(number)),
  'windows-1252': (number) => {
    const plain = number.replaceAll('\u00a0', ' ').replace(/[^\x20-\x7e]/g, '-')
    return asAdf(Buffer.from(adf(plain, 'windows-1252'), 'latin1'), Buffer.from(plain))
  },
  'UTF-16': (number) => asAdf(Buffer.from(`\ufeff${adf(number)}`, 'utf16le'), Buffer.from(number, 'utf16le')),
  references: (number) => asAdf(Buffer.from(adf(references(number))), Buffer.from(references(number))),
  'escaped in a page': (number) =>
    asAdf(
      Buffer.from(adf(references(number)).replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')),
      Buffer.from(references(number).replaceAll('&', '&amp;')),
    ),
  'a section': (number) => asAdf(Buffer.from(adf('').replace('tak', `<![CDATA[${number}]]>`)), Buffer.from(number)),
  'a mail in base64': (number) =>
    asAdf(
      Buffer.from(
        `From: a@example.com\r\nContent-Type: application/xml; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${lined(Buffer.from(adf(number)).toString('base64'))}`,
      ),
      Buffer.from(number),
    ),
  'a mail in quoted-printable': (number) =>
    asAdf(
      Buffer.from(
        `From: a@example.com\r\nContent-Type: application/xml; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${adf(quoted(number)).replaceAll('ø', '=C3=B8').replaceAll('="', '=3D"')}`,
      ),
      Buffer.from(quoted(number)),
    ),
  'a form': (number) =>
    asAdf(
      Buffer.from(new URLSearchParams({ adf: adf(number) }).toString()),
      Buffer.from(new URLSearchParams({ '': number }).toString().slice(1)),
    ),
  'a value of JSON': (number) => asAdf(Buffer.from(JSON.stringify({ adf: adf(number) })), Buffer.from(number)),
}
const asAdf = (body: Buffer, written: Buffer): Sent => ({
  path: '/v1/leads/adf',
  mediaType: 'application/xml',
  body,
  written,
})

const codesIn = (reply: any): string[] =>
  (reply.results ?? [{ lead: reply }]).flatMap(({ lead }: any) => (lead?.warnings ?? []).map(({ code }: any) => code))

describe.each(Object.entries(numbers))('a national number of %s', (country, number) => {
  it('is nowhere in the database, in whatever and wherever it was sent, and each lead says so', async () => {
    const said = fc.sample(number, {
      seed,
      numRuns:
        amount(1, 4) * (Object.keys(places).length * Object.keys(jsonBodies).length + Object.keys(documents).length),
    })
    const all: { sent: Sent; what: string; number: string }[] = []
    for (let round = 0; round < amount(1, 4); round++) {
      for (const [place, write] of Object.entries(places))
        for (const [encoding, encode] of Object.entries(jsonBodies)) {
          const { number: each = '' } = said.pop() ?? {}
          const json = JSON.stringify({ customer: contact, kept: 'anything', ...write(each) })
          all.push({ sent: encode(json, each), what: `${place} in ${encoding}`, number: each })
        }
      for (const [encoding, encode] of Object.entries(documents)) {
        const { number: each = '' } = said.pop() ?? {}
        all.push({ sent: encode(each), what: `ADF: ${encoding}`, number: each })
      }
    }
    for (const { sent, what } of all) {
      const response = await fetch(service.url + sent.path, {
        method: 'POST',
        headers: { authorization: `Bearer ${tokens.get(country)}`, 'content-type': sent.mediaType },
        body: new Uint8Array(sent.body),
      })
      const reply = await response.json()
      expect([what, response.status]).toEqual([what, sent.path.endsWith('batch') ? 207 : 201])
      expect([what, codesIn(reply).includes('national-id-masked')]).toEqual([what, true])
      expect(JSON.stringify(reply)).not.toContain(sent.written.toString())
    }

    const { texts, bytes } = await allStored()
    const found = all.filter(
      ({ sent, number: each }) =>
        texts.includes(each) ||
        bytes.includes(each) ||
        bytes.includes(Buffer.from(each, 'utf16le')) ||
        bytes.includes(sent.written) ||
        texts.includes(sent.written.toString()),
    )
    expect(found.map(({ what, number: each }) => `${what}: ${each}`)).toEqual([])
  })
})

it('keeps no original that is wrapped in too much to be masked for certain, says so, and stores the lead', async () => {
  const { dealerId, website, dms } = await service.dealer('wrapped')
  await service.db('dealers').where({ id: dealerId }).update({ country: 'DK' })
  const number = Buffer.from('nr. 010150-5000.').toString('base64')
  const wrapped = `%${'25'.repeat(30_000)}`
  const bodies: Record<string, Sent> = {
    JSON: asJson(
      Buffer.from(JSON.stringify({ customer: contact, message: `${wrapped} ${number}` })),
      Buffer.from(number),
    ),
    ADF: asAdf(Buffer.from(adf('').replace('tak', `${wrapped} ${number}`)), Buffer.from(number)),
  }
  for (const [what, { path, mediaType, body }] of Object.entries(bodies)) {
    const response = await fetch(service.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${website.token}`, 'content-type': mediaType },
      body: new Uint8Array(body),
    })
    const lead: any = await response.json()
    expect([what, response.status]).toEqual([what, 201])
    expect(codesIn(lead)).toContain('original-not-kept')
    const original = await service.call('GET', `/v1/leads/${lead.id}/original`, { token: dms.token })
    expect(original.status).toBe(404)
  }
  expect((await allStored()).bytes.includes(number)).toBe(false)
})
