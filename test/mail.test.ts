import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { SMTPServer } from 'smtp-server'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inner, newId } from '../src/ids.ts'
import { letterOf, type Matter } from '../src/notices/letter.ts'
import { letterWriter } from '../src/notices/letter-writer.ts'
import { tellPeople } from '../src/notices/notifier.ts'
import { lineTo, openSender } from '../src/outbox/sender.ts'
import { addMails, findSecretVersionsInUse } from '../src/outbox/store.ts'
import { lockDealer } from '../src/tokens/store.ts'
import { until } from './patience.ts'
import { ageLeads, lead, startService, type TestService } from './service.ts'

type Received = { from: string; to: string; content: string }
type Refuse = (stage: 'rcpt' | 'data', to: string) => { responseCode: number } | undefined

const from = 'CarBuddii Nørre <mail@service.example>'
let refuse: Refuse = () => undefined
const received: Received[] = []
const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['STARTTLS', 'AUTH'],
  logger: false,
  onRcptTo: ({ address }, _session, done) => {
    const refusal = refuse('rcpt', address)
    done(refusal && Object.assign(new Error('Refused'), refusal))
  },
  onData: (stream, { envelope }, done) => {
    void text(stream).then((content) => {
      const to = envelope.rcptTo.map(({ address }) => address).join()
      const refusal = refuse('data', to)
      if (!refusal) received.push({ from: envelope.mailFrom ? envelope.mailFrom.address : '', to, content })
      done(refusal && Object.assign(new Error('Refused'), refusal))
    })
  },
})
let service: TestService
let smtpUrl: string
beforeAll(async () => {
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  smtpUrl = `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`
  service = await startService(undefined, { smtpUrl, from })
})
afterAll(async () => {
  await service.close()
  await new Promise<void>((resolve) => void server.close(resolve))
})
beforeEach(() => {
  refuse = () => undefined
  received.length = 0
})

const anotherSender = () =>
  openSender(
    service.db,
    { smtpUrl, from },
    service.url,
    letterWriter(service.db, service.service.secrets, service.url),
    () => undefined,
  )
const got = async (to: string, count = 1): Promise<Received[]> => {
  await expect.poll(() => received.filter((mail) => mail.to === to).length).toBeGreaterThanOrEqual(count)
  return received.filter((mail) => mail.to === to)
}
/** But for what each is told of who has signed in. */
const mailsOf = (dealerId: string) =>
  service.db('mails').where({ dealer_id: dealerId }).whereNot({ kind: 'new_device' })
const states = async (dealerId: string) =>
  (await mailsOf(dealerId).orderBy('id')).map(({ kind, state, attempts }) => [kind, state, attempts])
const settled = (dealerId?: string) =>
  expect
    .poll(async () =>
      service
        .db('mails')
        .where({ ...(dealerId && { dealer_id: dealerId }) })
        .whereIn('state', ['due', 'handing_over']),
    )
    .toEqual([])
/** As if whoever was told something had not been told anything for an hour. */
const rested = (dealerId: string) =>
  service
    .db('mails')
    .where({ dealer_id: dealerId })
    .update({ created_at: service.db.raw("created_at - interval '61 minutes'") })
/** From now on; what the service told of the dealer's keys by itself before is as if it had never been. */
async function tellNothingOfKeys(token: string, dealerId: string): Promise<void> {
  await service.call('PATCH', '/v1/me/notifications', { token, body: { keys: false } })
  await tellPeople(service.db)
  await settled()
  await mailsOf(dealerId).delete()
  received.length = 0
}
/** What the mail says, as a reader sees it. */
const decoded = ({ content }: Received) => {
  const [head = '', ...parts] = content.replaceAll('\r\n', '\n').split('\n\n')
  const unquoted = (quoted: string) =>
    Buffer.from(
      quoted
        .replaceAll('=\n', '')
        .replaceAll(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      'latin1',
    ).toString()
  const subject = /^Subject: (.*(?:\n[ \t].*)*)/m
    .exec(head)?.[1]
    ?.replaceAll(/\n[ \t]/g, '')
    .replaceAll(/=\?UTF-8\?Q\?(.*?)\?= ?/gi, (_, word: string) => unquoted(word.replaceAll('_', ' ')))
    .replaceAll(/=\?UTF-8\?B\?(.*?)\?= ?/gi, (_, word: string) => Buffer.from(word, 'base64').toString())
  return { head, subject, body: unquoted(parts.join('\n\n')) }
}

it('tells admins what happened to keys, in the language of each, by a real exchange with a mail server', async () => {
  const { admin, sales, dealerId, website, dms } = await service.dealer('keys')
  await tellPeople(service.db)
  await rested(dealerId)
  await tellPeople(service.db)
  await settled(dealerId)
  expect((await states(dealerId)).every(([kind]) => kind === 'key_created')).toBe(true)
  received.length = 0
  expect(
    (await service.call('PATCH', '/v1/me/notifications', { token: admin.token, body: { language: 'en' } })).body,
  ).toMatchObject({ mail: 'ready', email: admin.email, keys: true, language: 'en' })

  await service.call('POST', `/v1/api-keys/${website.id}/replacement`, { token: admin.token, body: {} })
  await service.call('PATCH', `/v1/api-keys/${dms.id}`, {
    token: admin.token,
    body: { name: 'Ærø "DMS" Bcc: x@evil.example', expiresAt: new Date(Date.now() + 86_000_000).toISOString() },
  })
  await service
    .db('api_keys')
    .where({ id: inner(dms.id) })
    .update({ created_at: new Date(0) })
  await service.call('DELETE', `/v1/api-keys/${website.id}`, { token: admin.token })
  await tellPeople(service.db)
  const mails = (await got(admin.email, 4)).map(decoded)
  expect(mails.map(({ subject = '' }) => subject).sort((one, other) => one.localeCompare(other))).toEqual([
    'API key “Ærø "DMS" Bcc: x@evil.example” expires soon',
    'API key “Ærø "DMS" Bcc: x@evil.example” expires soon',
    'API key “Main Website Lead Form” was deleted',
    'API key “Main Website Lead Form” was replaced',
  ])
  for (const { head, body } of mails) {
    expect(head).not.toMatch(/^Bcc:/m)
    expect(head).toMatch(/^Message-ID: <[0-9a-f-]{36}@127\.0\.0\.1>$/m)
    expect(body).toContain(`${service.url}/settings/integrations/key_`)
  }
  expect(mails.filter(({ body }) => body.includes('by Admin from 127.0.0.1'))).toHaveLength(2)
  expect(received.filter(({ to }) => to === sales.email)).toEqual([])
  await tellPeople(service.db)
  await settled(dealerId)
  expect((await states(dealerId)).every(([, state]) => state === 'sent')).toBe(true)
})

it('tells of the first of like news at once, and of all that follow in one mail after a rest', async () => {
  const { admin, dealerId } = await service.dealer('gathered')
  await service.call('PATCH', '/v1/me/notifications', { token: admin.token, body: { language: 'en' } })
  await tellPeople(service.db)
  await rested(dealerId)
  await tellPeople(service.db)
  await settled(dealerId)
  const before = (await states(dealerId)).length
  await rested(dealerId)
  await service.createKey(admin.token, { name: 'The first', kind: 'digital_requests' })
  await tellPeople(service.db)
  await settled(dealerId)
  expect((await states(dealerId)).length).toBe(before + 1)
  received.length = 0

  for (let number = 1; number <= 13; number++)
    await service.createKey(admin.token, { name: `Form ${number}`, kind: 'digital_requests' })
  await tellPeople(service.db)
  expect((await states(dealerId)).length).toBe(before + 1)
  await rested(dealerId)
  // Each process tells, and none of them twice.
  await Promise.all([1, 2, 3].map(() => tellPeople(service.db)))
  await settled(dealerId)
  expect((await states(dealerId)).length).toBe(before + 2)
  const [mail, ...others] = (await got(admin.email)).map(decoded)
  expect([mail?.subject, others]).toEqual(['13 API keys were created', []])
  for (let number = 1; number <= 13; number++) expect(mail?.body.includes(`“Form ${number}”`)).toBe(number > 3)
  expect(mail?.body).toContain('And 3 more.')
})

it('tells admins of whoever becomes one, and of many failures, but those who want it no more', async () => {
  const { admin, dealerId, sales } = await service.dealer('alarmed')
  const other = await service.call('POST', '/v1/users', {
    token: admin.token,
    body: { email: 'sofie@alarmed.example', name: 'Sofie', role: 'sales' },
  })
  for (const { email } of [admin, sales])
    await service.db('users').where({ dealer_id: dealerId, email }).update({ language: 'en' })
  await tellNothingOfKeys(admin.token, dealerId)

  await service.call('PATCH', `/v1/users/${other.body.user.id}`, { token: admin.token, body: { role: 'admin' } })
  await tellPeople(service.db)
  const [mail] = (await got(admin.email)).map(decoded)
  expect(mail?.subject).toBe('Sofie is an admin now')
  expect(mail?.body).toContain('Sofie was made an admin by Admin from 127.0.0.1')
  await service.call('PATCH', `/v1/users/${sales.userId}`, { token: admin.token, body: { role: 'admin' } })
  await service.call('PATCH', '/v1/me/notifications', { token: admin.token, body: { security: false } })
  await rested(dealerId)
  await tellPeople(service.db)
  await settled(dealerId)
  // Neither whoever wants no such mail, nor the one whom it is about.
  expect(received.filter(({ to }) => to === admin.email)).toHaveLength(1)
  expect(received.map((sent) => decoded(sent).subject)).not.toContain('Sales is an admin now')
})

describe('many failures', () => {
  const subjectsTo = async (email: string) =>
    received.filter(({ to }) => to === email).map((mail) => decoded(mail).subject)
  const quiet = async (name: string) => {
    const made = await service.dealer(name)
    await service.db('users').where({ dealer_id: made.dealerId }).update({ language: 'en' })
    await tellNothingOfKeys(made.admin.token, made.dealerId)
    return made
  }
  const told = async (dealerId: string) => {
    await service.service.refusals.flush()
    await Promise.all([1, 2].map(() => tellPeople(service.db)))
    await settled(dealerId)
  }

  it('to sign in as somebody are told to admins and to the person, once', async () => {
    const { admin, sales, dealerId } = await quiet('guessed')
    const fail = () => service.call('POST', '/v1/session', { body: { email: sales.email, password: 'wrong' } })
    for (let count = 0; count < 9; count++) await fail()
    await told(dealerId)
    expect(received).toEqual([])
    for (let count = 0; count < 5; count++) {
      await fail()
      await told(dealerId)
    }
    expect(await subjectsTo(admin.email)).toEqual(['Many failed attempts to sign in as Sales'])
    expect(await subjectsTo(sales.email)).toEqual(['Many failed attempts to sign in as you'])
    await service.call('POST', `/v1/users/${sales.userId}/release`, { token: admin.token })
  })

  it('with a key are one mail, and not one for each', async () => {
    const { admin, sales, dealerId } = await quiet('tried')
    const { id, secret } = await service.createKey(admin.token, { name: 'Old form', kind: 'digital_requests' })
    await service.call('DELETE', `/v1/api-keys/${id}`, { token: admin.token })
    for (let count = 0; count < 31; count++) {
      if (count === 29) {
        await told(dealerId)
        expect(received).toEqual([])
      }
      await service.call('POST', '/v1/auth/token', { headers: { 'x-api-key': secret } })
    }
    await told(dealerId)
    await told(dealerId)
    expect(await subjectsTo(admin.email)).toEqual(['API key “Old form” was refused many times'])
    expect(received.filter(({ to }) => to === sales.email)).toEqual([])
  })

  it('from one address are told where they are at several accounts', async () => {
    const { admin, dealerId } = await quiet('sprayed')
    const people = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const { body } = await service.call('POST', '/v1/users', {
          token: admin.token,
          body: { email: `somebody.${number}@sprayed.example`, name: 'Somebody', role: 'sales' },
        })
        return inner(body.user.id)
      }),
    )
    const note = (id: string, address: string, times: number) => {
      for (let count = 0; count < times; count++)
        service.service.refusals.note({ dealerId, subject: { type: 'user', id }, code: 'sign-in-refused', address })
    }
    const [one = '', two = '', three = ''] = people
    for (const id of [one, two]) note(id, '203.0.113.8', 9)
    for (const id of people) note(id, '203.0.113.9', 3)
    await told(dealerId)
    const about = async () =>
      (await mailsOf(dealerId).where({ kind: 'many_failures' })).map(({ data }) => [data.aboutType, data.about])
    // Two accounts have had more than enough by now, from two addresses.
    expect(new Set(await about())).toEqual(new Set([one, two].map((id) => ['user', id])))
    for (const id of [one, two, three]) note(id, '203.0.113.9', 4)
    await told(dealerId)
    expect(await about()).toContainEqual(['address', '203.0.113.9'])
    expect(await subjectsTo(admin.email)).toContain('Many failed attempts to sign in from one address')
  })
})

it('tells a person of a sign-in from a device that was not used before, whether they want mails or not', async () => {
  const { sales, admin, dealerId } = await service.dealer('devices')
  await service.db('users').where({ dealer_id: dealerId }).update({ language: 'en' })
  await tellNothingOfKeys(admin.token, dealerId)
  await rested(dealerId)
  const enter = (cookie?: string) =>
    service.call('POST', '/v1/session', {
      body: { email: sales.email, password: 'a-password-for-tests' },
      ...(cookie && { headers: { cookie } }),
    })
  const first = await enter()
  await tellPeople(service.db)
  await settled(dealerId)
  const [mail, ...others] = (await got(sales.email)).map(decoded)
  expect([mail?.subject, others]).toEqual(['New sign-in to your account', []])
  expect(mail?.body).toContain('from 127.0.0.1')
  received.length = 0

  const cookie = first.headers
    .getSetCookie()
    .map((each) => each.split(';')[0])
    .join('; ')
  expect((await enter(cookie)).status).toBe(200)
  await rested(dealerId)
  await tellPeople(service.db)
  await settled(dealerId)
  expect(received).toEqual([])
})

it('tells admins once that a source has gone quiet', async () => {
  const { admin, dealerId, website } = await service.dealer('silent')
  await service.call('PATCH', '/v1/me/notifications', { token: admin.token, body: { language: 'en' } })
  await service.db('source_silences').insert({
    dealer_id: dealerId,
    api_key_id: inner(website.id),
    since: new Date('2026-11-20T08:00:00Z'),
    last_lead_id: newId(),
    noticed_at: new Date(),
    expected: 9,
  })
  await tellPeople(service.db)
  await service.db('source_silences').where({ dealer_id: dealerId }).update({ expected: 12 })
  await tellPeople(service.db)
  await got(admin.email, 3)
  await settled(dealerId)
  const quiet = received
    .filter(({ to }) => to === admin.email)
    .map(decoded)
    .filter(({ subject }) => subject === '“Main Website Lead Form” has gone quiet')
  expect(quiet).toHaveLength(1)
  expect(quiet[0]?.body).toContain('20 November 2026 at 09:00')
})

it('tells of new leads whoever wants that, many at once in one mail, and of real leads only', async () => {
  const { admin, sales, dealerId, website } = await service.dealer('leads')
  await service.call('PATCH', '/v1/me/notifications', { token: sales.token, body: { newLead: true, language: 'da' } })
  await tellNothingOfKeys(admin.token, dealerId)
  const push = async (more: object = {}) =>
    service.call('POST', '/v1/leads', {
      token: website.token,
      body: lead({ vehiclesOfInterest: [{ make: 'Volvo', model: 'EX30' }], ...more }),
    })
  const { id } = (await push()).body
  await push({ test: true })
  await tellPeople(service.db)
  const [first] = (await got(sales.email)).map(decoded)
  expect(first?.subject).toBe('Nyt lead fra Main Website Lead Form')
  expect(first?.body).toContain(`Prøvetur · Volvo EX30 · Main Website Lead Form:\n${service.url}/leads/${id}`)
  expect(first?.body).not.toMatch(/Anna|Jensen|32 12/)
  // Held, so that the service does not tell of some of them by itself.
  const held = await service.db.transaction()
  await held('mail_cursors').where({ dealer_id: dealerId }).forUpdate().select('seq')
  await Promise.all(Array.from({ length: 12 }, () => push()))
  await held.commit()
  await tellPeople(service.db)
  const mails = (await got(sales.email, 2)).map(decoded)
  expect(mails[1]?.subject).toBe('12 nye leads')
  expect(mails[1]?.body).toContain('Og 2 til')
  await settled(dealerId)
  expect(received.filter(({ to }) => to === admin.email)).toEqual([])
})

it('tells once of leads that nobody took up within the target, and not of those that somebody took up meanwhile', async () => {
  const { admin, dealerId, website, sales } = await service.dealer('late')
  await service.call('PATCH', '/v1/me/notifications', { token: admin.token, body: { language: 'en' } })
  await tellNothingOfKeys(admin.token, dealerId)
  const ids: string[] = []
  for (let count = 0; count < 3; count++)
    ids.push((await service.call('POST', '/v1/leads', { token: website.token, body: lead() })).body.id)
  await service.call('PATCH', `/v1/leads/${ids[0]}`, {
    token: sales.token,
    body: { status: 'acknowledged' },
    headers: { 'if-match': '*' },
  })
  await tellPeople(service.db)
  expect(await states(dealerId)).toEqual([])
  // As if half an hour had passed, and a little.
  await service.db.transaction(async (trx) => {
    await trx('mail_cursors')
      .where({ dealer_id: dealerId })
      .update({ waited_until: trx.raw("waited_until - interval '31 minutes'") })
    await ageLeads(trx, ids.map(inner), 30.5 * 60_000)
  })
  await tellPeople(service.db)
  await tellPeople(service.db)
  const mails = (await got(admin.email)).map(decoded)
  expect(mails.map(({ subject }) => subject)).toEqual(['2 leads are waiting for an answer'])
  expect(mails[0]?.body).toContain('within 30 minutes')
  expect(mails[0]?.body).not.toContain(ids[0])
})

it('sends a forgotten password’s link to its reader only, and answers everybody alike', async () => {
  const { admin, sales, dealerId } = await service.dealer('forgotten')
  await tellNothingOfKeys(admin.token, dealerId)
  const ask = (email: string) => service.call('POST', '/v1/password-link', { body: { email } })
  // Held, so that whatever waited for the dealer before it answers would not answer.
  const held = await service.db.transaction()
  await lockDealer(held, dealerId)
  const statuses = [(await ask('nobody@forgotten.example')).status, (await ask(sales.email)).status]
  await held.commit()
  expect(statuses).toEqual([204, 204])
  const [mail] = (await got(sales.email)).map(decoded)
  const token = /\/password#([\w-]+)/.exec(mail?.body ?? '')?.[1] ?? ''
  await settled(dealerId)
  const [row] = await mailsOf(dealerId)
  expect([row.state, row.sealed, JSON.stringify(row).includes(token)]).toEqual(['sent', null, false])
  expect(
    (await service.call('POST', '/v1/password', { body: { token, password: 'another-good-password' } })).status,
  ).toBe(204)
  expect((await service.call('GET', '/v1/me', { token: sales.token })).status).toBe(401)
})

it('sends an invitation’s link to its mailbox alone, which proves the address', async () => {
  const { admin, dealerId, sales } = await service.dealer('mailbox')
  const email = 'sofie@mailbox.example'
  const call = (path: string, body?: object) =>
    service.call('POST', path, { token: admin.token, ...(body && { body }) })
  const invited = await call('/v1/users', { email, name: 'Sofie', role: 'sales' })
  const again = await call(`/v1/users/${sales.userId}/password-link`)
  for (const link of [invited.body.passwordLink, again.body])
    expect([Object.keys(link).toSorted(), link.mailed]).toEqual([['expiresAt', 'mailed'], true])
  const [mail] = (await got(email)).map(decoded)
  const token = /\/password#([\w-]+)/.exec(mail?.body ?? '')?.[1] ?? ''
  expect([invited.text.includes(token), again.text.includes('#')]).toEqual([false, false])
  expect(
    (await service.call('POST', '/v1/password', { body: { token, password: 'another-good-password' } })).status,
  ).toBe(204)
  await settled(dealerId)
})

it('counts the master secret that a link was sealed with among those in use, until the mail is gone', async () => {
  const { sales, dealerId } = await service.dealer('sealed')
  const sealed = {
    user_id: inner(sales.userId),
    kind: 'forgotten_password' as const,
    data: {},
    dedupe: 'sealed',
    sealed: Buffer.from('x'),
    secret_version: 'v0',
  }
  await service.db.transaction(async (trx) => {
    await addMails(trx, dealerId, [sealed])
    expect((await findSecretVersionsInUse(trx)).includes('v0')).toBe(true)
    await trx('mails').where({ dealer_id: dealerId }).update({ sealed: null })
    expect((await findSecretVersionsInUse(trx)).includes('v0')).toBe(false)
    await trx('mails').where({ dealer_id: dealerId }).delete()
  })
})

describe('a mail server that does not take a mail', () => {
  const waitFor = async (dealerId: string, state: string) =>
    expect
      .poll(async () => (await states(dealerId)).map(([, now, attempts]) => [now, attempts]))
      .toEqual([[state, expect.any(Number)]])
  const one = async (name: string) => {
    const { admin, dealerId } = await service.dealer(name)
    await tellNothingOfKeys(admin.token, dealerId)
    const { id: auditId } = await service
      .db('audit_entries')
      .where({ dealer_id: dealerId, action: 'api_key.created' })
      .first()
    const mail = { user_id: inner(admin.userId), kind: 'key_created' as const, data: { auditId }, dedupe: newId() }
    const queue = () => addMails(service.db, dealerId, [mail])
    return { email: admin.email, dealerId, queue }
  }

  it.each([
    ['the reader', 'rcpt', 451],
    ['the content', 'data', 452],
  ] as const)('is tried again when %s is refused for now', async (_what, stage, responseCode) => {
    const { email, dealerId, queue } = await one(`for-now-${stage}`)
    let refusals = 1
    refuse = (at, to) => (at === stage && to === email && refusals-- > 0 ? { responseCode } : undefined)
    await queue()
    await expect.poll(async () => (await mailsOf(dealerId).first()).failure).toContain(String(responseCode))
    const [row] = await mailsOf(dealerId)
    expect([row.state, row.due_at.getTime() - row.changed_at.getTime()]).toEqual(['due', 60_000])
    await service.db('mails').where({ dealer_id: dealerId }).update({ due_at: new Date() })
    await waitFor(dealerId, 'sent')
    expect(await got(email)).toHaveLength(1)
  })

  it.each([
    ['the reader', 'rcpt', 550],
    ['the content', 'data', 554],
  ] as const)('is believed when %s is refused for good', async (_what, stage, responseCode) => {
    const { email, dealerId, queue } = await one(`for-good-${stage}`)
    refuse = (at, to) => (at === stage && to === email ? { responseCode } : undefined)
    await queue()
    await waitFor(dealerId, 'given_up')
    const { token } = await service.signIn(email)
    const { items } = (await service.call('GET', '/v1/mails', { token })).body
    expect(items.filter(({ kind }: { kind: string }) => kind !== 'new_device')).toMatchObject([
      {
        kind: 'key_created',
        to: email,
        state: 'given_up',
        attempts: 1,
        failure: expect.stringContaining(String(responseCode)),
      },
    ])
  })

  it('is tried again after it was away', async () => {
    const { email, dealerId, queue } = await one('away')
    const { port } = server.server.address() as AddressInfo
    await until(() => server.connections.size === 0)
    server.server.close()
    try {
      await queue()
      await expect.poll(async () => (await mailsOf(dealerId).first()).failure).toContain('ECONNREFUSED')
      await waitFor(dealerId, 'due')
    } finally {
      server.server.listen(port, '127.0.0.1')
    }
    await service.db('mails').where({ dealer_id: dealerId }).update({ due_at: new Date() })
    await waitFor(dealerId, 'sent')
    expect(await got(email)).toHaveLength(1)
  })
})

describe('two versions side by side', () => {
  const queue = async (name: string, kind: string, state: object) => {
    const { admin, dealerId } = await service.dealer(name)
    await tellNothingOfKeys(admin.token, dealerId)
    const data = { count: 1, address: '203.0.113.9', at: new Date().toISOString() }
    const mail = { user_id: inner(admin.userId), kind: kind as 'second_factor_missing', data, dedupe: newId() }
    await service.db.transaction(async (trx) => {
      await addMails(trx, dealerId, [mail])
      await trx('mails').where({ dealer_id: dealerId }).update(state)
    })
    return dealerId
  }

  it('send in the end what the one before gave up, since it did not know it', async () => {
    const givenUp = { state: 'given_up', attempts: 1, failure: 'There was nothing to say any more.' }
    const dealerId = await queue('given-up', 'second_factor_missing', givenUp)
    const other = anotherSender()
    await expect.poll(async () => (await mailsOf(dealerId).first()).state).toBe('sent')
    await other.stop()
  })

  it('leave what only a newer one knows for later', async () => {
    const dealerId = await queue('from-later', 'from_later', { attempts: 0 })
    await expect.poll(async () => (await mailsOf(dealerId).first()).failure).toContain('from_later')
    expect((await mailsOf(dealerId).first()).state).toBe('due')
    await mailsOf(dealerId).delete()
  })
})

it('sends each of many mails once, from two senders side by side', async () => {
  const { admin, dealerId } = await service.dealer('many')
  await tellNothingOfKeys(admin.token, dealerId)
  const { id: auditId } = await service
    .db('audit_entries')
    .where({ dealer_id: dealerId, action: 'api_key.created' })
    .first()
  const other = anotherSender()
  await addMails(
    service.db,
    dealerId,
    Array.from({ length: 200 }, (_, at) => ({
      user_id: inner(admin.userId),
      kind: 'key_created',
      data: { auditId },
      dedupe: `many ${at}`,
    })),
  )
  await expect
    .poll(async () => Number((await mailsOf(dealerId).where({ state: 'sent' }).count())[0]?.['count']))
    .toBe(200)
  await other.stop()
  // Others are told of keys meanwhile.
  const mails = received.filter(({ to }) => to === admin.email)
  const ids = mails.map(({ content }) => /^Message-ID: (\S+)/m.exec(content)?.[1])
  expect([ids.length, new Set(ids).size]).toEqual([200, 200])
})

it('hands mails on in turn between dealers, however many there are of one', async () => {
  const dealers = [await service.dealer('all'), await service.dealer('single')]
  const lists: { dealerId: string; mails: Parameters<typeof addMails>[2] }[] = []
  for (const [at, { admin, dealerId }] of dealers.entries()) {
    await tellNothingOfKeys(admin.token, dealerId)
    const key = await service.db('audit_entries').where({ dealer_id: dealerId, action: 'api_key.created' }).first()
    const mails = Array.from({ length: at === 0 ? 40 : 1 }, () => ({
      user_id: inner(admin.userId),
      kind: 'key_created' as const,
      data: { auditId: key.id },
      dedupe: newId(),
    }))
    lists.push({ dealerId, mails })
  }
  // None is seen before all of them.
  await service.db.transaction(async (trx) => {
    for (const { dealerId, mails } of lists) await addMails(trx, dealerId, mails)
  })
  for (const { dealerId } of dealers) await settled(dealerId)
  const theirs = received.map(({ to }) => to).filter((to) => dealers.some(({ admin }) => admin.email === to))
  expect([theirs.length, theirs.indexOf('admin@single.example')]).toEqual([41, expect.toBeOneOf([0, 1])])
})

it('lets nothing pile up where mail is not set up', async () => {
  const without = await startService()
  const { admin, website } = await without.dealer('without')
  await without.call('POST', '/v1/leads', { token: website.token, body: lead() })
  expect((await without.call('GET', '/v1/me/notifications', { token: admin.token })).body.mail).toBe('not_set_up')
  expect(await without.db('mails')).toEqual([])
  await without.close()
})

it('writes every letter in both languages, with names that do harm nowhere', () => {
  const hostile = 'Æble <script>alert(1)</script>\r\nBcc: x@evil.example\u202E'
  const at = new Date('2026-11-24T09:15:00Z')
  const leads = [{ id: 'lead_1', type: 'test_drive' as const, vehicle: hostile, source: hostile }]
  const key = { key: hostile, keyId: 'key_1' }
  const matters: Matter[] = [
    { kind: 'new_leads', count: 1, leads, targetMinutes: 30 },
    { kind: 'unanswered_leads', count: 12, leads, targetMinutes: 30 },
    { kind: 'key_created', count: 1, deeds: [{ ...key, by: hostile, address: '127.0.0.1', at }] },
    { kind: 'key_replaced', count: 1, deeds: [{ ...key, by: hostile, address: null, at }] },
    { kind: 'key_deleted', count: 12, deeds: [{ ...key, by: hostile, address: null, at }] },
    { kind: 'key_disabled', count: 1, deeds: [{ ...key, by: hostile, address: null, at }] },
    { kind: 'key_widened', count: 1, keys: [{ ...key, scopes: [hostile], at }] },
    { kind: 'key_widened', count: 12, keys: [{ ...key, scopes: [hostile], at }] },
    { kind: 'admin_added', count: 1, deeds: [{ name: hostile, isInvited: true, by: hostile, address: null, at }] },
    { kind: 'admin_added', count: 12, deeds: [{ name: hostile, isInvited: false, by: hostile, address: null, at }] },
    { kind: 'new_device', count: 1, signIns: [{ address: hostile, at, browser: hostile }] },
    { kind: 'new_device', count: 12, signIns: [{ address: null, at, browser: undefined }] },
    { kind: 'second_factor_missing', count: 1, address: hostile, at },
    { kind: 'second_factor_missing', count: 12, address: undefined, at },
    { kind: 'many_failures', of: 'account', name: hostile, count: 12, addresses: 1, since: at, at },
    { kind: 'many_failures', of: 'own-account', name: hostile, count: 12, addresses: 3, since: at, at },
    { kind: 'many_failures', of: 'address', name: hostile, count: 12, addresses: 1, since: at, at },
    { kind: 'many_failures', of: 'key', name: hostile, keyId: 'key_1', count: 12, addresses: 1, since: at, at },
    { kind: 'key_expires', ...key, expiresAt: at },
    { kind: 'source_quiet', ...key, since: at, expected: 9 },
    { kind: 'invitation', url: 'https://service.example/password#token', expiresAt: at },
    { kind: 'forgotten_password', url: 'https://service.example/password#token', expiresAt: at },
  ]
  for (const matter of matters) {
    const letters = (['en', 'da'] as const).map((language) =>
      letterOf(
        matter,
        { name: hostile, dealer: hostile, language, timeZone: 'Europe/Copenhagen' },
        'https://service.example',
      ),
    )
    expect(new Set(letters.map(({ subject }) => subject)).size).toBe(2)
    for (const { subject, text: plain, html } of letters) {
      expect(subject).not.toMatch(/\p{Cc}|\u202E/u)
      expect(plain).not.toMatch(/^Bcc:/m)
      expect(html).not.toContain('<script>')
    }
  }
})

it('sends neither a password nor a mail in clear to a server elsewhere', async () => {
  const commands: string[] = []
  // A server that can do no STARTTLS, or whose offer somebody on the way has taken out.
  const bare = new SMTPServer({
    hideSTARTTLS: true,
    disabledCommands: ['STARTTLS'],
    authOptional: true,
    onAuth: (_auth, _session, done) => (commands.push('AUTH'), done(null, { user: 'u' })),
    onMailFrom: (_address, _session, done) => (commands.push('MAIL'), done()),
  })
  bare.listen(0, '127.0.0.1')
  await once(bare.server, 'listening')
  const { port } = bare.server.address() as AddressInfo
  const connect = (url: string) =>
    new Promise<string>((resolve) => {
      const connection = new SMTPConnection({ ...lineTo(url), host: '127.0.0.1', port })
      connection.on('error', (error) => resolve(error.message))
      connection.connect((error) => {
        resolve(error ? error.message : 'connected')
        connection.close()
      })
    })
  try {
    expect(await connect('smtp://u:secret@mail.example:587')).toMatch(/STARTTLS|TLS/)
    for (const here of ['smtp://127.0.0.1', 'smtp://localhost:25', 'smtp://[::1]'])
      expect(await connect(here)).toBe('connected')
    expect(lineTo('smtps://mail.example')).toMatchObject({ secure: true })
  } finally {
    await new Promise<void>((resolve) => void bare.close(resolve))
  }
  expect(commands).toEqual([])
})
