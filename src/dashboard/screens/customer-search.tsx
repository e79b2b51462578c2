import { Button, Group, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { limits } from '../client.ts'

// Long enough for the next key, short enough to seem at once.
const restMs = 250

/** What is typed, and what of it is to be looked for, once the typing rests. */
export function useTyped(first: string) {
  const [typed, setTyped] = useState(first)
  const [settled, setSettled] = useState(first)
  useEffect(() => {
    const rest = window.setTimeout(() => setSettled(typed), restMs)
    return () => window.clearTimeout(rest)
  }, [typed])
  return { typed, settled, setTyped }
}

/** One field for whatever is known of somebody. */
export function SearchField({
  typed,
  type,
  isInDialog = false,
}: {
  typed: string
  type: (text: string) => void
  isInDialog?: boolean
}) {
  const { t } = useTranslation()
  return (
    <form role="search" onSubmit={(event) => event.preventDefault()}>
      <Group align="flex-end" gap="sm">
        <TextInput
          className="grow"
          data-autofocus={isInDialog || undefined}
          label={t('customers.search')}
          description={t('customers.searchText')}
          value={typed}
          maxLength={limits.SearchText.maxLength}
          autoComplete="off"
          onChange={(event) => type(event.currentTarget.value)}
        />
        {typed !== '' && (
          <Button variant="default" onClick={() => type('')}>
            {t('customers.clear')}
          </Button>
        )}
      </Group>
    </form>
  )
}
