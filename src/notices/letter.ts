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
      count: number
      deeds: readonly (Deed & { key: string; keyId: string })[]
    }
  | {
      kind: 'key_widened'
      count: number
      keys: readonly { key: string; keyId: string; scopes: readonly string[]; at: Date }[]
    }
  | { kind: 'admin_added'; count: number; deeds: readonly (Deed & { name: string; isInvited: boolean })[] }
  | {
      kind: 'new_device'
      count: number
      signIns: readonly { address: string | null; at: Date; browser: string | undefined }[]
    }
  | { kind: 'second_factor_missing'; count: number; address: string | undefined; at: Date }
  | ({ kind: 'many_failures'; name: string; count: number; addresses: number; since: Date; at: Date } & (
      { of: 'account' } | { of: 'own-account' } | { of: 'address' } | { of: 'key'; keyId: string }
    ))
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

interface Deed {
  by: string
  address: string | null
  at: Date
}

export interface Reader {
  name: string
  dealer: string
  language: 'en' | 'da'
  timeZone: string
}

type Link = { label: string; url: string }
type Paragraph = string | Link

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
  const keyLink = (id: string): Link => ({
    label: say('See the key', 'Se nøglen'),
    url: `${publicUrl}/settings/integrations/${id}`,
  })
  const account: Link = { label: say('See your account', 'Se din konto'), url: `${publicUrl}/settings/account` }
  const from = (address: string | null | undefined) =>
    address === null || address === undefined ? '' : say(` from ${plain(address)}`, ` fra ${plain(address)}`)
  const more = (count: number, named: number): string[] =>
    count > named ? [say(`And ${count - named} more.`, `Og ${count - named} til.`)] : []

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
      const others: Paragraph[] =
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
      return { subject, paragraphs: [opening, ...links, ...others] }
    }
    case 'key_created':
    case 'key_replaced':
    case 'key_deleted':
    case 'key_disabled': {
      const { count, deeds } = matter
      const [english, danish] = keyDeeds[matter.kind]
      const sentences = deeds.map(({ key, keyId, by, address, at }) => ({
        keyId,
        said: say(
          `The API key “${plain(key)}” was ${english} by ${plain(by)}${from(address)}, ${time(at)}.`,
          `API-nøglen “${plain(key)}” blev ${danish} af ${plain(by)}${from(address)}, ${time(at)}.`,
        ),
      }))
      const why = say(
        'If you do not know why, ask, or disable the key at once.',
        'Hvis du ikke ved hvorfor, så spørg, eller slå nøglen fra med det samme.',
      )
      const [only] = sentences
      const [{ key = '' } = {}] = deeds
      return count === 1 && only
        ? {
            subject: say(`API key “${key}” was ${english}`, `API-nøglen “${key}” blev ${danish}`),
            paragraphs: [only.said, why, keyLink(only.keyId)],
          }
        : {
            subject: say(`${count} API keys were ${english}`, `${count} API-nøgler blev ${danish}`),
            paragraphs: [
              ...sentences.map(({ said, keyId }): Paragraph => ({ ...keyLink(keyId), label: said })),
              ...more(count, deeds.length),
              why,
            ],
          }
    }
    case 'key_widened': {
      const { count, keys } = matter
      const [{ key = '' } = {}] = keys
      const sentences = keys.map(({ key, scopes, at }) => {
        const list = scopes.map(plain).join(', ')
        return say(
          `CarBuddii can do more, and the API key “${plain(key)}” has got what is new: ${list}, ${time(at)}.`,
          `CarBuddii kan mere, og API-nøglen “${plain(key)}” har fået det nye: ${list}, ${time(at)}.`,
        )
      })
      return {
        subject:
          count === 1
            ? say(`API key “${key}” may do more now`, `API-nøglen “${key}” må mere nu`)
            : say(`${count} API keys may do more now`, `${count} API-nøgler må mere nu`),
        paragraphs: [
          ...sentences.flatMap((said, at): Paragraph[] => [said, keyLink(keys[at]?.keyId ?? '')]),
          ...more(count, keys.length),
          say(
            'A key that may do everything of its kind gets what comes. If this one is not to have it, take it away there.',
            'En nøgle, der må alt for sin type, får det, der kommer. Skal denne ikke have det, så fjern det der.',
          ),
        ],
      }
    }
    case 'admin_added': {
      const { count, deeds } = matter
      const [{ name = '' } = {}] = deeds
      return {
        subject:
          count === 1
            ? say(`${name} is an admin now`, `${name} er nu administrator`)
            : say(`${count} new admins`, `${count} nye administratorer`),
        paragraphs: [
          ...deeds.map(({ name, isInvited, by, address, at }) =>
            isInvited
              ? say(
                  `${plain(name)} was invited as an admin by ${plain(by)}${from(address)}, ${time(at)}.`,
                  `${plain(name)} blev inviteret som administrator af ${plain(by)}${from(address)}, ${time(at)}.`,
                )
              : say(
                  `${plain(name)} was made an admin by ${plain(by)}${from(address)}, ${time(at)}.`,
                  `${plain(name)} blev gjort til administrator af ${plain(by)}${from(address)}, ${time(at)}.`,
                ),
          ),
          ...more(count, deeds.length),
          say(
            'An admin can make API keys, read all leads and let others in. If you do not know why, ask, and deactivate whoever should not be one.',
            'En administrator kan lave API-nøgler, læse alle leads og lukke andre ind. Hvis du ikke ved hvorfor, så spørg, og deaktivér den, der ikke skal være det.',
          ),
          { label: say('See who there is', 'Se, hvem der er'), url: `${publicUrl}/settings/users` },
        ],
      }
    }
    case 'new_device': {
      const { count, signIns } = matter
      return {
        subject:
          count === 1
            ? say('New sign-in to your account', 'Nyt login på din konto')
            : say(`${count} new sign-ins to your account`, `${count} nye logins på din konto`),
        paragraphs: [
          ...signIns.map(({ address, at, browser }) => {
            const device = browser === undefined ? '' : ` (${plain(browser)})`
            return say(
              `Somebody signed in to your account${from(address)}, ${time(at)}, from a device that had not been used for it before${device}.`,
              `Nogen loggede ind på din konto${from(address)}, ${time(at)}, fra en enhed, der ikke var brugt til det før${device}.`,
            )
          }),
          ...more(count, signIns.length),
          say(
            'If it was you, there is nothing to do. If it was not, change your password at once, end the session there, and tell an admin of your dealership.',
            'Hvis det var dig, behøver du ikke gøre noget. Hvis ikke, så skift din adgangskode med det samme, afslut sessionen der, og sig det til en administrator hos din forhandler.',
          ),
          account,
        ],
      }
    }
    case 'second_factor_missing': {
      const { count, address, at } = matter
      return {
        subject: say('Somebody else may know your password', 'En anden kender måske din adgangskode'),
        paragraphs: [
          count === 1
            ? say(
                `Somebody typed your password${from(address)}, ${time(at)}, on a device that you have not used before, and did not give what is asked for after it.`,
                `Nogen skrev din adgangskode${from(address)}, ${time(at)}, på en enhed, du ikke har brugt før, og gav ikke det, der bliver spurgt om bagefter.`,
              )
            : say(
                `Somebody typed your password ${count} times${from(address)}, ${time(at)}, on a device that you have not used before, and did not give what is asked for after it.`,
                `Nogen skrev din adgangskode ${count} gange${from(address)}, ${time(at)}, på en enhed, du ikke har brugt før, og gav ikke det, der bliver spurgt om bagefter.`,
              ),
          say(
            'Nobody got in. If it was not you, change your password at once, wherever you use it, and tell an admin of your dealership.',
            'Ingen kom ind. Hvis det ikke var dig, så skift adgangskoden med det samme, overalt hvor du bruger den, og sig det til en administrator hos din forhandler.',
          ),
          account,
        ],
      }
    }
    case 'many_failures': {
      const { name, count, addresses, since, at } = matter
      const when = say(
        `from ${time(since)} to ${time(at)}, from ${addresses === 1 ? 'one address' : `${addresses} addresses`}`,
        `fra ${time(since)} til ${time(at)}, fra ${addresses === 1 ? 'én adresse' : `${addresses} adresser`}`,
      )
      const log: Link = {
        label: say('See what was refused', 'Se, hvad der blev afvist'),
        url: `${publicUrl}/settings/audit`,
      }
      if (matter.of === 'own-account')
        return {
          subject: say('Many failed attempts to sign in as you', 'Mange mislykkede forsøg på at logge ind som dig'),
          paragraphs: [
            say(
              `${count} attempts to sign in as you have failed, ${when}.`,
              `${count} forsøg på at logge ind som dig er mislykkedes, ${when}.`,
            ),
            say(
              'If it was not you, somebody is guessing. A passkey cannot be guessed: add one, and use a password that you use nowhere else.',
              'Hvis det ikke var dig, er der nogen, der gætter. En adgangsnøgle kan ikke gættes: tilføj en, og brug en adgangskode, du ikke bruger andre steder.',
            ),
            account,
          ],
        }
      if (matter.of === 'account')
        return {
          subject: say(
            `Many failed attempts to sign in as ${name}`,
            `Mange mislykkede forsøg på at logge ind som ${name}`,
          ),
          paragraphs: [
            say(
              `${count} attempts to sign in as ${plain(name)} have failed, ${when}.`,
              `${count} forsøg på at logge ind som ${plain(name)} er mislykkedes, ${when}.`,
            ),
            say(
              'Ask them. If it was not them, somebody is guessing. A passkey cannot be guessed; you can require one of everybody.',
              'Spørg vedkommende. Hvis det var en anden, er der nogen, der gætter. En adgangsnøgle kan ikke gættes; du kan kræve en af alle.',
            ),
            log,
          ],
        }
      if (matter.of === 'address')
        return {
          subject: say(
            'Many failed attempts to sign in from one address',
            'Mange mislykkede forsøg på at logge ind fra én adresse',
          ),
          paragraphs: [
            say(
              `${count} attempts to sign in to several accounts of ${plain(dealer)} have failed from ${plain(name)}, from ${time(since)} to ${time(at)}.`,
              `${count} forsøg på at logge ind på flere konti hos ${plain(dealer)} er mislykkedes fra ${plain(name)}, fra ${time(since)} til ${time(at)}.`,
            ),
            say(
              'If it is not your own office, somebody tries passwords at all of you. Passkeys cannot be guessed; you can require one of everybody.',
              'Hvis det ikke er jeres eget kontor, er der nogen, der prøver adgangskoder hos jer alle. Adgangsnøgler kan ikke gættes; du kan kræve en af alle.',
            ),
            log,
          ],
        }
      return {
        subject: say(`API key “${name}” was refused many times`, `API-nøglen “${name}” blev afvist mange gange`),
        paragraphs: [
          say(
            `The API key “${plain(name)}” was refused ${count} times, ${when}: it has ended, is disabled, or came from where it may not be used.`,
            `API-nøglen “${plain(name)}” blev afvist ${count} gange, ${when}: den virker ikke mere, er slået fra eller kom fra et sted, hvor den ikke må bruges.`,
          ),
          say(
            'If a system of yours still has an old key, give it the new one. If none has, somebody else has the key.',
            'Hvis et af jeres systemer stadig har en gammel nøgle, så giv det den nye. Hvis ingen har, har en anden nøglen.',
          ),
          keyLink(matter.keyId),
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
      return {
        subject: say(english, danish),
        paragraphs: [
          say(
            `${english}${which}, by ${plain(by)}${from(address)}, ${time(at)}.`,
            `${danish}${which} af ${plain(by)}${from(address)}, ${time(at)}.`,
          ),
          say(
            'If it was not you, and you do not know why, tell an admin of your dealership at once, and change your password.',
            'Hvis det ikke var dig, og du ikke ved hvorfor, så sig det straks til en administrator hos din forhandler, og skift din adgangskode.',
          ),
          account,
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
