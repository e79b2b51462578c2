import { createInstance } from 'i18next'
import { initReactI18next } from 'react-i18next'
import { da } from './da.ts'
import { en } from './en.ts'

declare module 'i18next' {
  interface CustomTypeOptions {
    defaultNS: 'translation'
    resources: { translation: typeof en }
  }
}

export const languages = { en: 'English', da: 'Dansk' } as const
export type Language = keyof typeof languages

const keptAs = 'language'

/** React escapes what it shows by itself. Returns at once: all texts are in the page. */
export const words = createInstance({
  resources: { en: { translation: en }, da: { translation: da } },
  lng: first(),
  interpolation: { escapeValue: false },
  // A scope is a name with a colon in it.
  nsSeparator: false,
  initAsync: false,
})

export async function startWords(): Promise<void> {
  words.use(initReactI18next)
  await words.init()
  document.documentElement.lang = words.language
  // Chosen in another tab.
  addEventListener('storage', ({ key, newValue }) => void (key === keptAs && speak(newValue === 'da' ? 'da' : 'en')))
}

export async function speak(language: Language): Promise<void> {
  await words.changeLanguage(language)
  document.documentElement.lang = language
  localStorage.setItem(keptAs, language)
}

function first(): Language {
  const chosen = localStorage.getItem(keptAs) ?? navigator.language.slice(0, 2)
  return chosen === 'da' || chosen === 'nb' || chosen === 'nn' ? 'da' : 'en'
}
