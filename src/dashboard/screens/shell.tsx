import { Anchor, Button, Container, Text } from '@mantine/core'
import { Link, Outlet, useRouterState } from '@tanstack/react-router'
import { useEffect, useRef, useSyncExternalStore } from 'react'
import { useTranslation } from 'react-i18next'
import { leave, usePerson } from '../session.ts'
import { useDeed } from './components.tsx'

export function Shell() {
  const { t } = useTranslation()
  const { user, dealer, can } = usePerson()
  const out = useDeed()
  const path = useRouterState({ select: ({ location }) => location.pathname })
  const main = useRef<HTMLElement>(null)
  const first = useRef(true)
  // A new page is where reading goes on: without this, the focus would stay on a link that may be gone.
  useEffect(() => {
    if (!first.current) main.current?.focus()
    first.current = false
  }, [path])
  const isSettings = path.startsWith('/settings')

  return (
    <>
      <a className="skip" href="#content">
        {t('skip')}
      </a>
      <header className="bar">
        <Container size="lg">
          <Link to="/" className="brand">
            <img src="/favicon.svg" alt="" width={24} height={24} />
            CarBuddii
          </Link>
          <nav aria-label={t('menu.label')}>
            <ul className="menu">
              <li>
                <Link to="/leads" search={{}} aria-current={path.startsWith('/leads') ? 'page' : undefined}>
                  {t('menu.pipeline')}
                </Link>
              </li>
              <li>
                <Link to="/customers" search={{}} aria-current={path.startsWith('/customers') ? 'page' : undefined}>
                  {t('menu.customers')}
                </Link>
              </li>
              <li>
                <Link
                  to={can('api-keys:manage') ? '/settings/integrations' : '/settings/preferences'}
                  aria-current={isSettings ? 'page' : undefined}
                >
                  {t('menu.settings')}
                </Link>
              </li>
              <li>
                <a href="/docs/">{t('menu.documentation')}</a>
              </li>
            </ul>
          </nav>
          <div className="person">
            <Text component="span" size="sm" c="dimmed">{`${user.name}, ${dealer.name}`}</Text>
            <Button variant="default" size="compact-md" loading={out.busy} onClick={() => void out.run(leave)}>
              {t('menu.signOut')}
            </Button>
          </div>
        </Container>
      </header>
      <Offline />
      <main id="content" ref={main} tabIndex={-1}>
        <Container size="lg" fluid={path === '/leads'}>
          <Outlet />
        </Container>
      </main>
    </>
  )
}

export function SettingsMenu() {
  const { t } = useTranslation()
  const { can } = usePerson()
  return (
    <nav aria-label={t('settings.title')}>
      <ul className="menu">
        {can('api-keys:manage') && (
          <li>
            <Link to="/settings/integrations">{t('settings.integrations')}</Link>
          </li>
        )}
        {can('users:manage') && (
          <li>
            <Link to="/settings/users">{t('settings.users')}</Link>
          </li>
        )}
        {can('dealer:manage') && (
          <li>
            <Link to="/settings/dealer">{t('settings.dealer')}</Link>
          </li>
        )}
        {can('audit:read') && (
          <li>
            <Link to="/settings/audit">{t('settings.audit')}</Link>
          </li>
        )}
        <li>
          <Link to="/settings/account">{t('settings.account')}</Link>
        </li>
        <li>
          <Link to="/settings/notifications">{t('settings.notifications')}</Link>
        </li>
        <li>
          <Link to="/settings/preferences">{t('settings.preferences')}</Link>
        </li>
      </ul>
    </nav>
  )
}

function Offline() {
  const { t } = useTranslation()
  const isOnline = useSyncExternalStore(watchLine, () => navigator.onLine)
  return (
    <div role="status">
      {!isOnline && (
        <Text ta="center" size="sm" p="xs" bg="light-dark(#fdf0d5, #3d2f10)">
          {t('state.offline')}
        </Text>
      )}
    </div>
  )
}

function watchLine(changed: () => void): () => void {
  addEventListener('online', changed)
  addEventListener('offline', changed)
  return () => {
    removeEventListener('online', changed)
    removeEventListener('offline', changed)
  }
}

export const BackLink = () => {
  const { t } = useTranslation()
  return <Anchor component={Link} to="/settings/integrations" size="sm">{`← ${t('state.back')}`}</Anchor>
}
