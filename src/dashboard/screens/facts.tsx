import { Text } from '@mantine/core'
import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Email, Phone, PostalAddress, Warning } from '../client.ts'
import { addressLines } from '../customer.ts'
import { useFormats } from '../formats.ts'
import { usePerson } from '../session.ts'
import { en } from '../words/en.ts'

const dialable = /^\+?[\d\s()./-]{3,}$/

/** Only what was said. */
export function Facts({ facts }: { facts: readonly (readonly [string, ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts
        .filter(([, fact]) => fact !== undefined && fact !== '' && fact !== null && fact !== false)
        .map(([name, fact]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{fact}</dd>
          </div>
        ))}
    </dl>
  )
}

/** A number that can be called by a click, as far as it is one. */
export function PhoneLink({ phone: { number, e164, verdict } }: { phone: Phone }) {
  const { t } = useTranslation()
  return (
    <>
      {dialable.test(number) ? (
        <a className="link" href={`tel:${e164 ?? number.replaceAll(/[^\d+]/g, '')}`}>
          {number}
        </a>
      ) : (
        <bdi>{number}</bdi>
      )}
      {verdict !== 'valid' && ` ▲ ${t(`verdict.${verdict}`)}`}
    </>
  )
}

export function EmailLink({ email: { address, verdict } }: { email: Email }) {
  const { t } = useTranslation()
  return (
    <>
      {verdict === 'plausible' ? (
        <a className="link" href={`mailto:${encodeURIComponent(address.trim()).replace('%40', '@')}`}>
          <Breakable text={address} />
        </a>
      ) : (
        <bdi>
          <Breakable text={address} />
        </bdi>
      )}
      {verdict === 'odd' && ` ▲ ${t('verdict.odd')}`}
    </>
  )
}

/** A long address goes on in the next line where a person would break it. */
function Breakable({ text }: { text: string }) {
  const at = text.indexOf('@')
  return at === -1 ? (
    text
  ) : (
    <>
      {text.slice(0, at)}
      <wbr />
      {text.slice(at)}
    </>
  )
}

/** The lines of a letter; the country where it is another one than the dealer's. */
export function Address({ address }: { address: PostalAddress }) {
  const { country } = useFormats()
  const { dealer } = usePerson()
  const { countryCode, ...rest } = address
  const isAbroad = countryCode !== undefined && countryCode !== dealer.country
  return addressLines({ ...rest, ...(isAbroad && { countryCode: country(countryCode) }) }).map((line, at) => (
    <div key={at}>
      <bdi>{line}</bdi>
    </div>
  ))
}

/** What was odd about what was sent: what it concerns, and what was done. */
export function Warnings({ warnings }: { warnings: readonly Warning[] }) {
  const { t } = useTranslation()
  const known = (code: string): code is keyof typeof en.warning => Object.hasOwn(en.warning, code)
  return (
    <ul className="plain">
      {warnings.map(({ code, pointer, message }, at) => (
        <li key={at}>
          <Text size="sm" className="wrap">
            <span aria-hidden>▲ </span>
            {known(code) ? t(`warning.${code}`) : message} {pointer !== '' && <span className="mono">{pointer}</span>}
          </Text>
        </li>
      ))}
    </ul>
  )
}
