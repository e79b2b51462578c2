import { Button, Group, Radio, Stack, Text } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiKey, type CreatedApiKey, replaceApiKey } from '../client.ts'
import { answered } from '../answer.ts'
import { keysKey } from '../queries.ts'
import { isolated } from '../formats.ts'
import { service } from '../session.ts'
import { Dialog, Failed, useDeed } from './components.tsx'
import { HandOver } from './secret.tsx'

const ends = ['at_once', 'after_1_hour', 'after_24_hours', 'after_7_days'] as const
const counts = ['on_first_use', 'at_once'] as const

export function ReplaceKey({ apiKey, close }: { apiKey: ApiKey; close: () => void }) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const [oldEnds, setOldEnds] = useState<(typeof ends)[number]>('after_24_hours')
  const [newCounts, setNewCounts] = useState<(typeof counts)[number]>('on_first_use')
  const [created, setCreated] = useState<CreatedApiKey>()
  const { busy, failure, run } = useDeed()

  async function submit(event: FormEvent) {
    event.preventDefault()
    const replaced = await run(() =>
      answered(replaceApiKey({ client: service, path: { apiKeyId: apiKey.id }, body: { oldEnds, newCounts } })),
    )
    if (!replaced) return
    setCreated(replaced)
    await queries.invalidateQueries({ queryKey: keysKey })
  }
  if (created) return <HandOver created={created} close={close} />
  return (
    <Dialog title={t('replace.title', { name: isolated(apiKey.name) })} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <Text>{t('key.replaceText')}</Text>
          <Radio.Group
            name="newCounts"
            label={t('replace.newCounts')}
            value={newCounts}
            onChange={(value) => setNewCounts(value as (typeof counts)[number])}
          >
            <Stack gap="xs" mt={6}>
              {counts.map((word) => (
                <Radio
                  key={word}
                  value={word}
                  label={t(`replace.counts.${word}`)}
                  description={t(`replace.${word}Text`)}
                  data-autofocus={word === newCounts || undefined}
                />
              ))}
            </Stack>
          </Radio.Group>
          <Radio.Group
            name="oldEnds"
            label={t('replace.oldEnds')}
            value={oldEnds}
            onChange={(value) => setOldEnds(value as (typeof ends)[number])}
          >
            <Stack gap="xs" mt={6}>
              {ends.map((word) => (
                <Radio key={word} value={word} label={t(`replace.ends.${word}`)} />
              ))}
            </Stack>
          </Radio.Group>
          <Text role="status" size="sm" fw={600}>
            {newCounts === 'at_once' && oldEnds === 'at_once' && t('replace.lockout')}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t('state.cancel')}
            </Button>
            <Button type="submit" loading={busy}>
              {t('replace.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
