import { Group, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import type { Silence } from '../client.ts'
import { sources } from '../queries.ts'
import { isolated, useFormats } from '../formats.ts'
import { usePerson } from '../session.ts'
import { Chip } from './components.tsx'

/** Of one key: since when no lead has come, and how many would have. */
export function QuietChip({ quiet: { since, expectedLeads }, name }: { quiet: Silence; name?: string }) {
  const { t } = useTranslation()
  const { short, number } = useFormats()
  const values = { when: short(since), count: expectedLeads, leads: number(expectedLeads) }
  return (
    <Chip tone="notice">
      {name === undefined ? t('quiet.since', values) : t('quiet.named', { ...values, name: isolated(name) })}
    </Chip>
  )
}

/** The sources that have gone quiet, if any; admins get to their keys from here. */
export function QuietSources() {
  const { t } = useTranslation()
  const { can } = usePerson()
  const { data } = useQuery(sources)
  const silent = data?.items.flatMap(({ id, name, quiet }) => (quiet ? [{ id, name, quiet }] : [])) ?? []
  if (silent.length === 0) return null
  return (
    <Stack gap={6} role="group" aria-label={t('quiet.title')}>
      {silent.map(({ id, name, quiet }) => (
        <Group key={id} gap="xs">
          <QuietChip quiet={quiet} name={name} />
          {can('api-keys:manage') && (
            <Link
              className="link"
              to="/settings/integrations/$apiKeyId"
              params={{ apiKeyId: id }}
              aria-label={t('quiet.openNamed', { name })}
            >
              {t('quiet.open')}
            </Link>
          )}
        </Group>
      ))}
    </Stack>
  )
}
