import { useTranslation } from 'react-i18next'

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** A name in the middle of a sentence, whose own direction of writing must not turn the sentence around. */
export const isolated = (name: string) =>
  /[\p{Bidi_Control}\p{Script=Hebrew}\p{Script=Arabic}]/u.test(name) ? `\u2068${name}\u2069` : name

/** Times, numbers and lists in the language of the page. */
export function useFormats() {
  const { i18n } = useTranslation()
  return i18n.language === 'da' ? inDanish : inEnglish
}

// Made once: a board shows them by the hundred, and making a formatter takes longer than using it.
function formatsIn(language: 'da' | 'en-GB') {
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  const exact = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' })
  const short = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' })
  const days = new Intl.DateTimeFormat(language, { dateStyle: 'medium' })
  const lists = new Intl.ListFormat(language)
  const regions = new Intl.DisplayNames(language, { type: 'region' })
  const numbers = new Intl.NumberFormat(language)
  const lengths = {
    day: lengthIn(language, 'day'),
    hour: lengthIn(language, 'hour'),
    minute: lengthIn(language, 'minute'),
  }
  return {
    exact: (at: string) => exact.format(new Date(at)),
    short: (at: string) => short.format(new Date(at)),
    day: (at: string) => days.format(new Date(at)),
    ago: (at: string) => {
      const seconds = Math.round((Date.parse(at) - Date.now()) / 1000)
      const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? (['second', 1] as const)
      // The server's clock may be a little ahead.
      return relative.format(unit === 'second' && seconds > 0 && seconds < 5 ? 0 : Math.trunc(seconds / length), unit)
    },
    /** Whole minutes, hours or days. */
    duration: (ms: number) => {
      const [unit, length] = units.find(([, size]) => ms >= size * 1000) ?? (['minute', 60] as const)
      return lengths[unit].format(Math.max(0, Math.floor(ms / 1000 / length)))
    },
    list: (items: readonly string[]) => lists.format(items),
    country: (code: string) => regions.of(code) ?? code,
    number: (value: number) => numbers.format(value),
    /** As decimal text, which may be what people typed. */
    money: (amount: string, currency: string | undefined) => {
      const value = Number(amount)
      const isCurrency = currency !== undefined && /^[A-Z]{3}$/.test(currency)
      return amount.trim() !== '' && Number.isFinite(value) && isCurrency
        ? new Intl.NumberFormat(language, {
            style: 'currency',
            currency,
            trailingZeroDisplay: 'stripIfInteger',
          }).format(value)
        : [amount, currency].filter(Boolean).join(' ')
    },
  }
}

const lengthIn = (language: string, unit: 'day' | 'hour' | 'minute') =>
  new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'short' })
const inDanish = formatsIn('da')
const inEnglish = formatsIn('en-GB')
