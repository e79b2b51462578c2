import { Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { Page } from './components.tsx'

export function NotFound() {
  const { t } = useTranslation()
  return (
    <Page title={t('notFound.title')}>
      <Text>{t('notFound.text')}</Text>
      <Link className="link" to="/leads" search={{}}>
        {t('notFound.home')}
      </Link>
    </Page>
  )
}

export function Forbidden() {
  const { t } = useTranslation()
  return (
    <Page title={t('forbidden.title')}>
      <Text>{t('forbidden.text')}</Text>
    </Page>
  )
}
