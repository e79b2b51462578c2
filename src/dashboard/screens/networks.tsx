import { Button, Group, Stack, Text, Textarea } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import { useFormats } from '../formats.ts'
import { networksIn } from '../key.ts'
import { addressesOf } from '../queries.ts'

/** From where a key may be used. `apiKeyId`: of a key that has been used, so that those addresses can be offered. */
export function NetworksField({
  text,
  change,
  apiKeyId,
}: {
  text: string
  change: (text: string) => void
  apiKeyId?: string
}) {
  const { t } = useTranslation()
  return (
    <Stack gap="xs">
      <Textarea
        label={t('networks.label')}
        description={t('networks.text')}
        value={text}
        autosize
        minRows={2}
        maxRows={8}
        autoComplete="off"
        spellCheck={false}
        onChange={(event) => change(event.currentTarget.value)}
      />
      {apiKeyId !== undefined && <Offered apiKeyId={apiKeyId} text={text} change={change} />}
    </Stack>
  )
}

/** Those that used the key and do not stand in the list as they are. */
function Offered({ apiKeyId, text, change }: { apiKeyId: string; text: string; change: (text: string) => void }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const { data } = useQuery(addressesOf(apiKeyId))
  const listed = networksIn(text)
  const offered = (data?.items ?? []).filter(({ address }) => !listed.includes(address))
  if (offered.length === 0) return null
  const add = (addresses: readonly string[]) => change([...listed, ...addresses].join('\n'))
  return (
    <Stack gap={6} role="group" aria-label={t('networks.used')}>
      <Text size="sm">{t('networks.used')}</Text>
      <Group gap="xs">
        {offered.map(({ address, lastAt }) => (
          <Button key={address} size="xs" variant="default" onClick={() => add([address])}>
            {t('networks.add', { address, when: ago(lastAt) })}
          </Button>
        ))}
        {offered.length > 1 && (
          <Button size="xs" variant="subtle" onClick={() => add(offered.map(({ address }) => address))}>
            {t('networks.addAll')}
          </Button>
        )}
      </Group>
    </Stack>
  )
}
