import { Button, Group, NativeSelect, Text, TextInput } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { auditOf, type AuditSearch, users } from '../queries.ts'
import { usePerson } from '../session.ts'
import { en } from '../words/en.ts'
import { Entries } from './history.tsx'
import { Forbidden } from './home.tsx'
import { Page } from './components.tsx'
import { SettingsMenu } from './shell.tsx'

export function Audit() {
  return usePerson().can('audit:read') ? <AuditLog /> : <Forbidden />
}

function AuditLog() {
  const { t } = useTranslation()
  const search = useSearch({ from: '/settings/audit' })
  const query = useInfiniteQuery(auditOf(search))
  return (
    <Page title={t('settings.audit')} before={<SettingsMenu />}>
      <Text>{t('audit.text')}</Text>
      <Filters search={search} />
      <div className="panel">
        <Entries query={query} caption={t('settings.audit')} none={t('audit.none')} withSubject />
      </div>
    </Page>
  )
}

function Filters({ search }: { search: AuditSearch }) {
  const { t } = useTranslation()
  const navigate = useNavigate()
  const people = useQuery({ ...users, enabled: usePerson().can('users:manage') }).data?.items ?? []
  const show = (next: AuditSearch) =>
    void navigate({
      to: '/settings/audit',
      search: Object.fromEntries(Object.entries(next).filter(([, value]) => value)),
      resetScroll: false,
    })
  const actions = Object.keys(en.action) as (keyof typeof en.action)[]
  return (
    <Group className="filters" role="search" aria-label={t('audit.filter')} align="flex-end" gap="sm">
      <NativeSelect
        label={t('audit.action')}
        value={search.action ?? ''}
        data={[
          { value: '', label: t('audit.all') },
          ...actions.map((value) => ({ value, label: t(`action.${value}`) })),
        ]}
        onChange={(event) => show({ ...search, action: event.currentTarget.value as AuditSearch['action'] })}
      />
      {people.length > 0 && (
        <NativeSelect
          label={t('audit.by')}
          value={search.by ?? ''}
          data={[
            { value: '', label: t('audit.everybody') },
            ...people.map(({ id, name }) => ({ value: id, label: name })),
          ]}
          onChange={(event) => show({ ...search, by: event.currentTarget.value })}
        />
      )}
      <TextInput
        type="date"
        label={t('audit.from')}
        value={search.from ?? ''}
        onChange={(event) => show({ ...search, from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={t('audit.to')}
        value={search.to ?? ''}
        onChange={(event) => show({ ...search, to: event.currentTarget.value })}
      />
      {Object.keys(search).length > 0 && (
        <Button variant="default" onClick={() => show({})}>
          {t('audit.clear')}
        </Button>
      )}
    </Group>
  )
}
