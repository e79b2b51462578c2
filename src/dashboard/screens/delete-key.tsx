import { Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { type ApiKey, deleteApiKey, limits, restoreApiKey } from '../client.ts'
import { answered } from '../answer.ts'
import { keyOf, keysKey } from '../queries.ts'
import { isolated, useFormats } from '../formats.ts'
import { isDeletionConfirmed, isGhost } from '../key.ts'
import { service } from '../session.ts'
import { Chip, Dialog, Failed, useDeed, When } from './components.tsx'

const restorableMs = 86_400_000

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
    const deleted = await run(() =>
      answered(
        deleteApiKey({ client: service, path: { apiKeyId }, ...(because !== '' && { query: { reason: because } }) }),
      ),
    )
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
          <Text fw={600} className="wrap">
            {lastUsed ? t('delete.used', { when: ago(lastUsed.at), address: lastUsed.address }) : t('delete.unused')}
          </Text>
          <TextInput
            label={t('delete.reason')}
            description={t('delete.reasonText')}
            value={reason}
            maxLength={limits.parameters.Reason.maxLength}
            autoComplete="off"
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
          {asksName && (
            <TextInput
              label={t('delete.confirm')}
              description={apiKey.name}
              value={typed}
              error={checked && isWrong && t('delete.confirmWrong')}
              autoComplete="off"
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t('state.cancel')}
            </Button>
            <Button type="submit" color="red" loading={busy}>
              {t('delete.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  )
}

/** When and why a key was deleted, who still tries it, and the way back while there is one. */
export function Deletion({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const { short, ago } = useFormats()
  const queries = useQueryClient()
  const { busy, failure, succeeded, run } = useDeed()
  const { id, name, deletedAt = '', deleteReason, lastUsed } = apiKey
  const until = new Date(Date.parse(deletedAt) + restorableMs)
  const restore = () =>
    run(async () => {
      await answered(restoreApiKey({ client: service, path: { apiKeyId: id } }))
      await queries.invalidateQueries({ queryKey: keysKey })
    })
  return (
    <>
      <Text size="sm">
        {t('deleted.at')} <When at={deletedAt} />
        {deleteReason !== undefined && `: ${isolated(deleteReason)}`}
      </Text>
      {isGhost(apiKey) && lastUsed && (
        <Chip tone="bad">{t('deleted.tried', { when: ago(lastUsed.at), address: lastUsed.address })}</Chip>
      )}
      {until > new Date() && !succeeded && (
        <Group gap="sm">
          <Button
            variant="default"
            size="compact-md"
            loading={busy}
            onClick={() => void restore()}
            aria-label={t('deleted.restoreNamed', { name })}
          >
            {t('deleted.restore')}
          </Button>
          <Text size="sm" c="dimmed">
            {t('deleted.restorable', { when: short(until.toISOString()) })}
          </Text>
        </Group>
      )}
      {failure !== undefined && <Failed failure={failure} />}
    </>
  )
}
