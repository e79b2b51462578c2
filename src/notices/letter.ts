import type { AuditAction, LeadType, MailKind } from '../../generated/server/types.gen.ts'
import { escaped } from '../html.ts'
import type { Letter } from '../outbox/mail.ts'

/** What a mail is about, with everything that it says. */
export type Matter =
  | {
      kind: 'new_leads' | 'unanswered_leads'
      count: number
      leads: readonly { id: string; type: LeadType; vehicle: string; source: string }[]
      targetMinutes: number
    }
  | {
      kind: 'key_created' | 'key_replaced' | 'key_deleted' | 'key_disabled'
      key: string
      keyId: string
      by: string
      address: string | null
      at: Date
    }
  | { kind: 'key_widened'; key: string; keyId: string; scopes: readonly string[]; at: Date }
  | { kind: 'key_expires'; key: string; keyId: string; expiresAt: Date }
  | { kind: 'source_quiet'; key: string; keyId: string; since: Date; expected: number }
  | { kind: 'invitation' | 'forgotten_password'; url: string; expiresAt: Date }
  | {
      kind: 'passkeys_changed'
      deed: AuditAction
      name: string | undefined
      by: string
      address: string | undefined
      at: Date
    }

export interface Reader {
  name: string
  dealer: string
  language: 'en' | 'da'
  timeZone: string
}

type Paragraph = string | { label: string; url: string }

/**
 * The mail about a matter, in the language of its reader, as plain text and as simple HTML. It names nobody who asked
 * for anything: what a customer wrote stays behind the link.
 */
export function letterOf(matter: Matter, reader: Reader, publicUrl: string): Omit<Letter, 'to'> {
  const { subject, paragraphs } = written(matter, reader, publicUrl)
  const { greeting, farewell } = frames[reader.language]
  const all: Paragraph[] = [
    greeting(plain(reader.name)),
    ...paragraphs,
    farewell(plain(reader.dealer), `${publicUrl}/settings/notifications`),
  ]
  const body = all.map((part) => `<p>${typeof part === 'string' ? withLines(part) : linked(part)}</p>`).join('')
  return {
    subject: plain(subject),
    text: `${all.map((part) => (typeof part === 'string' ? part : `${part.label}:\n${part.url}`)).join('\n\n')}\n`,
    html: `<!doctype html><html lang="${reader.language}"><body style="font-family:sans-serif">${body}</body></html>`,
  }
}

const withLines = (text: string) => escaped(text).replaceAll('\n', '<br>')
const linked = ({ url, label }: { url: string; label: string }) => `<a href="${escaped(url)}">${escaped(label)}</a>`

/** On one line: a name must not look like a part of the mail. */
const plain = (text: string) => text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]+/gu, ' ').trim()

const frames = {
  en: {
    greeting: (name: string) => `Hello ${name},`,
    farewell: (dealer: string, url: string) =>
      `CarBuddii, for ${dealer}\nWhat you are told by mail is up to you: ${url}`,
  },
  da: {
    greeting: (name: string) => `Hej ${name}`,
    farewell: (dealer: string, url: string) =>
      `CarBuddii, for ${dealer}\nDu bestemmer selv, hvad du får besked om på mail: ${url}`,
  },
}

function written(
  matter: Matter,
  { language, timeZone, dealer }: Reader,
  publicUrl: string,
): { subject: string; paragraphs: Paragraph[] } {
  const isDanish = language === 'da'
  const say = (english: string, danish: string) => (isDanish ? danish : english)
  const time = (at: Date) =>
    new Intl.DateTimeFormat(isDanish ? 'da' : 'en-GB', { dateStyle: 'long', timeStyle: 'short', timeZone }).format(at)
  const keyLink = (id: string): Paragraph => ({
    label: say('See the key', 'Se nøglen'),
    url: `${publicUrl}/settings/integrations/${id}`,
  })

  switch (matter.kind) {
    case 'new_leads':
    case 'unanswered_leads': {
      const { count, leads, targetMinutes } = matter
      const first = leads[0]?.source ?? ''
      const isNew = matter.kind === 'new_leads'
      const subject = isNew
        ? count === 1
          ? say(`New lead from ${first}`, `Nyt lead fra ${first}`)
          : say(`${count} new leads`, `${count} nye leads`)
        : count === 1
          ? say('A lead is waiting for an answer', 'Et lead venter på svar')
          : say(`${count} leads are waiting for an answer`, `${count} leads venter på svar`)
      const opening = isNew
        ? say(
            count === 1 ? 'A new lead has come in.' : `${count} new leads have come in.`,
            count === 1 ? 'Der er kommet et nyt lead.' : `Der er kommet ${count} nye leads.`,
          )
        : say(
            `Nobody has taken ${count === 1 ? 'this lead' : 'these leads'} up within ${targetMinutes} minutes.`,
            `Ingen har taget ${count === 1 ? 'dette lead' : 'disse leads'} op inden for ${targetMinutes} minutter.`,
          )
      const links = leads.map(({ id, type, vehicle, source }): Paragraph => ({
        label: [leadTypes[type][language], vehicle, source].map(plain).filter(Boolean).join(' · '),
        url: `${publicUrl}/leads/${id}`,
      }))
      const more: Paragraph[] =
        count > leads.length
          ? [
              {
                label: say(
                  `And ${count - leads.length} more: open the pipeline`,
                  `Og ${count - leads.length} til: åbn pipelinen`,
                ),
                url: `${publicUrl}/leads`,
              },
            ]
          : []
      return { subject, paragraphs: [opening, ...links, ...more] }
    }
    case 'key_created':
    case 'key_replaced':
    case 'key_deleted':
    case 'key_disabled': {
      const { key, keyId, by, address, at } = matter
      const [english, danish] = keyDeeds[matter.kind]
      const where = address === null ? '' : say(` from ${address}`, ` fra ${address}`)
      return {
        subject: say(`API key “${key}” was ${english}`, `API-nøglen “${key}” blev ${danish}`),
        paragraphs: [
          say(
            `The API key “${plain(key)}” was ${english} by ${plain(by)}${where}, ${time(at)}.`,
            `API-nøglen “${plain(key)}” blev ${danish} af ${plain(by)}${where}, ${time(at)}.`,
          ),
          say(
            'If you do not know why, ask, or disable the key at once.',
            'Hvis du ikke ved hvorfor, så spørg, eller slå nøglen fra med det samme.',
          ),
          keyLink(keyId),
        ],
      }
    }
    case 'key_widened': {
      const { key, keyId, scopes, at } = matter
      const list = scopes.map(plain).join(', ')
      return {
        subject: say(`API key “${key}” may do more now`, `API-nøglen “${key}” må mere nu`),
        paragraphs: [
          say(
            `CarBuddii can do more, and the API key “${plain(key)}” has got what is new: ${list}, ${time(at)}.`,
            `CarBuddii kan mere, og API-nøglen “${plain(key)}” har fået det nye: ${list}, ${time(at)}.`,
          ),
          say(
            'A key that may do everything of its kind gets what comes. If this one is not to have it, take it away there.',
            'En nøgle, der må alt for sin type, får det, der kommer. Skal denne ikke have det, så fjern det der.',
          ),
          keyLink(keyId),
        ],
      }
    }
    case 'key_expires':
      return {
        subject: say(`API key “${matter.key}” expires soon`, `API-nøglen “${matter.key}” udløber snart`),
        paragraphs: [
          say(
            `The API key “${plain(matter.key)}” works until ${time(matter.expiresAt)}. Whatever uses it breaks then. Choose a later expiry, or replace the key.`,
            `API-nøglen “${plain(matter.key)}” virker indtil ${time(matter.expiresAt)}. Derefter holder det, der bruger den, op med at virke. Vælg et senere udløb, eller udskift nøglen.`,
          ),
          keyLink(matter.keyId),
        ],
      }
    case 'source_quiet':
      return {
        subject: say(`“${matter.key}” has gone quiet`, `“${matter.key}” er blevet stille`),
        paragraphs: [
          say(
            `No lead has come by “${plain(matter.key)}” since ${time(matter.since)}. By its usual rhythm, about ${matter.expected} would have come. Perhaps a form or a system is broken.`,
            `Der er ikke kommet et lead via “${plain(matter.key)}” siden ${time(matter.since)}. Efter dens sædvanlige rytme ville der være kommet omkring ${matter.expected}. Måske er en formular eller et system gået i stykker.`,
          ),
          keyLink(matter.keyId),
        ],
      }
    case 'invitation':
      return {
        subject: say('You have been invited to CarBuddii', 'Du er inviteret til CarBuddii'),
        paragraphs: [
          say(
            `${plain(dealer)} has invited you to CarBuddii. Choose a password; the link works once, until ${time(matter.expiresAt)}.`,
            `${plain(dealer)} har inviteret dig til CarBuddii. Vælg en adgangskode; linket virker én gang, indtil ${time(matter.expiresAt)}.`,
          ),
          { label: say('Choose a password', 'Vælg en adgangskode'), url: matter.url },
        ],
      }
    case 'passkeys_changed': {
      const { deed, name, by, address, at } = matter
      const [english, danish] = passkeyDeeds[deed] ?? ['Your passkeys were changed', 'Dine adgangsnøgler blev ændret']
      const which = name === undefined ? '' : ` (“${plain(name)}”)`
      const where = address === undefined ? '' : say(` from ${address}`, ` fra ${address}`)
      return {
        subject: say(english, danish),
        paragraphs: [
          say(
            `${english}${which}, by ${plain(by)}${where}, ${time(at)}.`,
            `${danish}${which} af ${plain(by)}${where}, ${time(at)}.`,
          ),
          say(
            'If it was not you, and you do not know why, tell an admin of your dealership at once, and change your password.',
            'Hvis det ikke var dig, og du ikke ved hvorfor, så sig det straks til en administrator hos din forhandler, og skift din adgangskode.',
          ),
          { label: say('See your account', 'Se din konto'), url: `${publicUrl}/settings/account` },
        ],
      }
    }
    case 'forgotten_password':
      return {
        subject: say('Choose a new password', 'Vælg en ny adgangskode'),
        paragraphs: [
          say(
            `Somebody, probably you, asked for a new password. The link works once, until ${time(matter.expiresAt)}. Until then your old password works, too.`,
            `Nogen, sandsynligvis dig, har bedt om en ny adgangskode. Linket virker én gang, indtil ${time(matter.expiresAt)}. Indtil da virker din gamle adgangskode også.`,
          ),
          { label: say('Choose a new password', 'Vælg en ny adgangskode'), url: matter.url },
          say('If it was not you, there is nothing to do.', 'Hvis det ikke var dig, behøver du ikke gøre noget.'),
        ],
      }
  }
}

const passkeyDeeds: Partial<Record<AuditAction, readonly [string, string]>> = {
  'user.passkey_added': ['A passkey was added to your account', 'En adgangsnøgle blev føjet til din konto'],
  'user.passkey_removed': ['A passkey of your account was removed', 'En adgangsnøgle til din konto blev fjernet'],
  'user.passkeys_reset': ['All your passkeys were removed', 'Alle dine adgangsnøgler blev fjernet'],
  'user.passkey_suspected': [
    'A passkey of yours was refused: there may be a copy of it',
    'En af dine adgangsnøgler blev afvist: der kan være en kopi af den',
  ],
  'user.recovery_codes_created': [
    'New recovery codes were made for you',
    'Der blev lavet nye genoprettelseskoder til dig',
  ],
  'user.recovery_code_used': ['A recovery code of yours was used', 'En af dine genoprettelseskoder blev brugt'],
}

const keyDeeds = {
  key_created: ['created', 'oprettet'],
  key_replaced: ['replaced', 'udskiftet'],
  key_deleted: ['deleted', 'slettet'],
  key_disabled: ['disabled', 'slået fra'],
} as const satisfies Partial<Record<MailKind, readonly [string, string]>>

const leadTypes: Record<LeadType, { en: string; da: string }> = {
  enquiry: { en: 'Enquiry', da: 'Forespørgsel' },
  test_drive: { en: 'Test drive', da: 'Prøvetur' },
  quote: { en: 'Quote', da: 'Tilbud' },
  purchase: { en: 'Purchase', da: 'Køb' },
  lease: { en: 'Lease', da: 'Leasing' },
  finance: { en: 'Finance', da: 'Finansiering' },
  subscription: { en: 'Subscription', da: 'Abonnement' },
  reservation: { en: 'Reservation', da: 'Reservation' },
  trade_in: { en: 'Trade-in', da: 'Byttebil' },
  sell_to_dealer: { en: 'Sell to dealer', da: 'Salg til forhandler' },
  callback: { en: 'Call back', da: 'Ring op' },
  service: { en: 'Service', da: 'Værksted' },
  parts: { en: 'Parts', da: 'Reservedele' },
  other: { en: 'Other', da: 'Andet' },
}
