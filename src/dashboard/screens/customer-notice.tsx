import { Button, Group, Stack, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Warning } from '../client.ts'
import { Failed, useDeed } from './components.tsx'
import { Warnings } from './facts.tsx'

/** What became of the last thing that was done, perhaps with a way back. */
export interface Notice {
  /** Asked for each time, in the language of that moment. */
  text: () => string
  see?: { customerId: string; text: () => string }
  undo?: () => Promise<Notice | undefined>
  warnings?: readonly Warning[]
}

export function useNotice() {
  const [notice, tell] = useState<Notice>()
  return { notice, tell, close: () => tell(undefined) }
}

export function NoticeBar({ notice, tell, close }: ReturnType<typeof useNotice>) {
  return (
    <div className={notice ? 'notice panel' : undefined} role="status">
      {notice && <Told key={notice.text()} notice={notice} tell={tell} close={close} />}
    </div>
  )
}

function Told({ notice, tell, close }: { notice: Notice } & Pick<ReturnType<typeof useNotice>, 'tell' | 'close'>) {
  const { t } = useTranslation()
  const { busy, failure, run } = useDeed()
  const first = useRef<HTMLDivElement>(null)
  const { text, see, undo, warnings = [] } = notice
  // What was clicked went with what it did: whoever works by keyboard goes on here.
  useEffect(() => {
    if (document.activeElement === document.body) first.current?.querySelector('button')?.focus({ preventScroll: true })
  }, [])
  return (
    <Stack gap="sm">
      {failure !== undefined && <Failed failure={failure} />}
      <Group gap="sm" justify="space-between" align="flex-start">
        <Stack gap="xs" className="wrap">
          <Text size="sm">{text()}</Text>
          {warnings.length > 0 && <Warnings warnings={warnings} />}
        </Stack>
        <Group className="wrap" gap="xs" ref={first}>
          {see && (
            <Link className="link wrap" to="/customers/$customerId" params={{ customerId: see.customerId }}>
              {see.text()}
            </Link>
          )}
          {undo && (
            <Button
              size="compact-md"
              variant="default"
              loading={busy}
              onClick={() => void run(undo).then((next) => next && tell(next))}
            >
              {t('customer.undo')}
            </Button>
          )}
          <Button size="compact-md" variant="default" onClick={close}>
            {t('state.close')}
          </Button>
        </Group>
      </Group>
    </Stack>
  )
}
