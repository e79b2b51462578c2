import { useTranslation } from 'react-i18next'

const units = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
] as const

/** A name in the middle of a sentence, whose own direction of writing must not turn the sentence around. */
export const isolated = (name: string) => (/[\p{Bidi_Control}\p{Script=Hebrew}\p{Script=Arabic}]/u.test(name) ? `\u2068${name}\u2069` : name)

/** Times, numbers and lists in the language of the page. */
export function useFormats() {
  const { i18n } = useTranslation()
  const language = i18n.language === 'da' ? 'da' : 'en-GB'
  const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' })
  return {
    exact: (at: string) => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'medium' }).format(new Date(at)),
    short: (at: string) => new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(at)),
    ago: (at: string) => {
      const seconds = Math.round((Date.parse(at) - Date.now()) / 1000)
      const [unit, length] = units.find(([, size]) => Math.abs(seconds) >= size) ?? (['second', 1] as const)
      // The server's clock may be a little ahead.
      return relative.format(unit === 'second' && seconds > 0 && seconds < 5 ? 0 : Math.trunc(seconds / length), unit)
    },
    list: (items: readonly string[]) => new Intl.ListFormat(language).format(items),
    country: (code: string) => new Intl.DisplayNames(language, { type: 'region' }).of(code) ?? code,
    number: (value: number) => new Intl.NumberFormat(language).format(value),
  }
}
