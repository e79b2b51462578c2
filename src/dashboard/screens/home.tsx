import { Anchor, Button, Group, Stack, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { usePerson } from '../session.ts'
import { Page } from './parts.tsx'

export function Home() {
  const { t } = useTranslation()
  const { user, dealer, can } = usePerson()
  const isAdmin = can('api-keys:manage')
  return (
    <Page title={t('home.title', { name: user.name })}>
      <div className="panel wrap">
        <Stack>
          <Text>{t('home.dealer', { dealer: dealer.name })}</Text>
          <Text>{isAdmin ? t('home.admin') : t('home.sales')}</Text>
          {isAdmin && <Group><Button component={Link} to="/settings/integrations">{t('home.toIntegrations')}</Button></Group>}
        </Stack>
      </div>
    </Page>
  )
}

export function NotFound() {
  const { t } = useTranslation()
  return (
    <Page title={t('notFound.title')}>
      <Text>{t('notFound.text')}</Text>
      <Anchor component={Link} to="/">{t('notFound.home')}</Anchor>
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
