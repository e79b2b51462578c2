import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiKey, deleteApiKey } from '../../client/client.ts'
import { answered } from '../answer.ts'
import { keyOf, keysKey } from '../data.ts'
import { isolated, useFormats } from '../formats.ts'
import { isDeletionConfirmed } from '../key.ts'
import { service } from '../session.ts'
import { Dialog, Failed, useDeed } from './parts.tsx'

export function DeleteKey({ apiKey, close }: { apiKey: ApiKey; close: () => void }) {
  const { t } = useTranslation()
  const { ago } = useFormats()
  const navigate = useNavigate()
  const queries = useQueryClient()
  const [reason, setReason] = useState('')
  const [typed, setTyped] = useState('')
  const [checked, setChecked] = useState(false)
  const { busy, failure, run } = useDeed()
  const asksName = isDeletionConfirmed(apiKey, new Date())
  const isWrong = asksName && typed.trim() !== apiKey.name
  const { id: apiKeyId, lastUsed } = apiKey

  async function submit(event: FormEvent) {
    event.preventDefault()
    setChecked(true)
    if (isWrong) return
    const because = reason.trim()
    const deleted = await run(() => answered(deleteApiKey({ client: service, path: { apiKeyId }, ...(because !== '' && { query: { reason: because } }) })))
    if (deleted === undefined) return
    await navigate({ to: '/settings/integrations', search: { deleted: true } })
    queries.removeQueries({ queryKey: keyOf(apiKeyId).queryKey })
    await queries.invalidateQueries({ queryKey: keysKey })
  }
  return (
    <Dialog title={t('delete.title', { name: isolated(apiKey.name) })} close={close}>
      <form onSubmit={(event) => void submit(event)} noValidate>
        <Stack>
          {failure !== undefined && <Failed failure={failure} />}
          <Text>{t('delete.text')}</Text>
          <Text fw={600} className="wrap">{lastUsed ? t('delete.used', { when: ago(lastUsed.at), address: lastUsed.address }) : t('delete.unused')}</Text>
          <TextInput label={t('delete.reason')} description={t('delete.reasonText')} value={reason} maxLength={200} autoComplete="off" onChange={(event) => setReason(event.currentTarget.value)} data-autofocus />
          {asksName && <TextInput label={t('delete.confirm')} description={apiKey.name} value={typed} error={checked && isWrong && t('delete.confirmWrong')} autoComplete="off" onChange={(event) => setTyped(event.currentTarget.value)} />}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>{t('state.cancel')}</Button>
            <Button type="submit" color="red" loading={busy}>{t('delete.submit')}</Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}
