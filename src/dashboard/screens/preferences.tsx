import { Radio, Stack, useMantineColorScheme } from '@mantine/core'
import { useTranslation } from 'react-i18next'
import { type Language, languages, speak } from '../words/words.ts'
import { Page } from './components.tsx'
import { SettingsMenu } from './shell.tsx'

const schemes = ['auto', 'light', 'dark'] as const

export function Preferences() {
  const { t, i18n } = useTranslation()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  return (
    <Page title={t('settings.preferences')} before={<SettingsMenu />}>
      <div className="panel">
        <Stack gap="lg">
          <Radio.Group
            name="language"
            label={t('preferences.language')}
            value={i18n.language}
            onChange={(language) => void speak(language as Language)}
          >
            <Stack gap="xs" mt="xs">
              {Object.entries(languages).map(([code, name]) => (
                <Radio key={code} value={code} label={name} lang={code} />
              ))}
            </Stack>
          </Radio.Group>
          <Radio.Group
            name="appearance"
            label={t('preferences.appearance')}
            value={colorScheme}
            onChange={(scheme) => setColorScheme(scheme as (typeof schemes)[number])}
          >
            <Stack gap="xs" mt="xs">
              {schemes.map((scheme) => (
                <Radio key={scheme} value={scheme} label={t(`preferences.${scheme}`)} />
              ))}
            </Stack>
          </Radio.Group>
        </Stack>
      </div>
    </Page>
  )
}
