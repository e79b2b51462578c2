import { Alert, Badge, Button, Group, Modal, Skeleton, Stack, Text, Title, VisuallyHidden } from '@mantine/core'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ApiKey } from '../client.ts'
import { Failure } from '../answer.ts'
import { useFormats } from '../formats.ts'
import { chipOf } from '../key.ts'
import { freshly } from '../session.ts'
import { en } from '../words/en.ts'

/** The heads of a table's columns; each is also the class of its column. */
export function Heads({ of }: { of: readonly (keyof typeof en.column)[] }) {
  const { t } = useTranslation()
  return of.map((head) => (
    <th key={head} className={head} scope="col">
      {t(`column.${head}`)}
    </th>
  ))
}

/** Why it did not work, the request id to quote, and a way to try again. */
export function Failed({ failure, retry }: { failure: unknown; retry?: () => void }) {
  const { t } = useTranslation()
  const { code, message, requestId, status } = failure instanceof Failure ? failure : new Failure(failure, undefined)
  const text =
    code !== undefined && isKnown(code)
      ? t(`problem.${code}`)
      : status === undefined
        ? t('state.unreachable')
        : message || t('problem.internal')
  return (
    <Alert className="failed" color="red" variant="outline" title={t('state.failed')} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm" className="wrap" c="var(--mantine-color-text)">
          {text}
        </Text>
        {requestId && (
          <Text size="sm" c="dimmed" className="wrap">
            {t('state.requestId', { id: requestId })}
          </Text>
        )}
        {retry && (
          <Button size="compact-md" variant="default" onClick={retry}>
            {t('state.retry')}
          </Button>
        )}
      </Stack>
    </Alert>
  )
}

const isKnown = (code: string): code is keyof typeof en.problem => Object.hasOwn(en.problem, code)

export function Loading({ rows = 3 }: { rows?: number }) {
  const { t } = useTranslation()
  return (
    <Stack gap="sm" role="status">
      <VisuallyHidden>{t('state.loading')}</VisuallyHidden>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} h={26} aria-hidden />
      ))}
    </Stack>
  )
}

interface Question<Data> {
  data: Data | undefined
  error: unknown
  refetch: () => unknown
}

/** What is asked for page by page. */
export interface Paged<Item> extends Question<{ pages: { items: Item[] }[] }> {
  hasNextPage: boolean
  isFetchingNextPage: boolean
  fetchNextPage: () => unknown
}

/** What is asked for: loading, failed, or there. */
export function Asked<Data>({
  query,
  rows,
  children,
}: {
  query: Question<Data>
  rows?: number
  children: (data: Data) => ReactNode
}) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failed failure={query.error} retry={() => void query.refetch()} />
  return <Loading rows={rows} />
}

export function More({
  query,
}: {
  query: Pick<Paged<unknown>, 'hasNextPage' | 'isFetchingNextPage' | 'fetchNextPage'>
}) {
  const { t } = useTranslation()
  return (
    query.hasNextPage && (
      <Group>
        <Button
          variant="default"
          size="compact-md"
          loading={query.isFetchingNextPage}
          onClick={() => void query.fetchNextPage()}
        >
          {t('state.more')}
        </Button>
      </Group>
    )
  )
}

/** `mark`: a number to be seen from another tab. */
export function Page({
  title,
  before,
  mark = 0,
  children,
}: {
  title: string
  before?: ReactNode
  mark?: number
  children: ReactNode
}) {
  return (
    <Stack gap="lg">
      <title>{`${mark > 0 ? `(${mark}) ` : ''}${title} · CarBuddii`}</title>
      <Stack gap="sm">
        {before}
        <Title order={1} size="h2" className="wrap">
          {title}
        </Title>
      </Stack>
      {children}
    </Stack>
  )
}

export function Panel({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="panel" aria-label={title}>
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start">
          <Title order={2} size="h4" className="wrap">
            {title}
          </Title>
          {aside}
        </Group>
        {children}
      </Stack>
    </section>
  )
}

export function Dialog({
  title,
  close,
  locked = false,
  size = 'md',
  children,
}: {
  title: string
  close: () => void
  locked?: boolean
  size?: 'md' | 'lg' | 'xl'
  children: ReactNode
}) {
  const { t } = useTranslation()
  return (
    <Modal
      opened
      onClose={close}
      title={title}
      size={size}
      withCloseButton={!locked}
      closeOnEscape={!locked}
      closeOnClickOutside={false}
      closeButtonProps={{ 'aria-label': t('state.close') }}
      styles={{ title: { fontWeight: 700, fontSize: '1.15rem', lineHeight: 1.3, overflowWrap: 'anywhere' } }}
    >
      {children}
    </Modal>
  )
}

/** A time as it is spoken of, and exactly for whoever wants to know: on hover, and to a screen reader. */
export function When({ at }: { at: string }) {
  const { ago, exact } = useFormats()
  return (
    <time dateTime={at} title={exact(at)}>
      {ago(at)}
      <VisuallyHidden> ({exact(at)})</VisuallyHidden>
    </time>
  )
}

const colors = {
  good: { light: '#e3f4e8', dark: '#16351f' },
  quiet: { light: '#e9edf2', dark: '#2a323b' },
  notice: { light: '#fdf0d5', dark: '#3d2f10' },
  bad: { light: '#fbe4e2', dark: '#47201d' },
}
const marks = { good: '●', quiet: '○', notice: '▲', bad: '■' }

export function Chip({ tone, children }: { tone: keyof typeof colors; children: ReactNode }) {
  const { light, dark } = colors[tone]
  return (
    <Badge
      radius="sm"
      size="lg"
      fw={600}
      tt="none"
      bg={`light-dark(${light}, ${dark})`}
      c="var(--mantine-color-text)"
      styles={{
        label: { overflow: 'visible', whiteSpace: 'normal', textAlign: 'start' },
        root: { height: 'auto', paddingBlock: 3 },
      }}
      leftSection={<span aria-hidden>{marks[tone]}</span>}
    >
      {children}
    </Badge>
  )
}

export function StatusChip({ apiKey }: { apiKey: ApiKey }) {
  const { t } = useTranslation()
  const chip = chipOf(apiKey, new Date())
  const text =
    chip.word === 'expires'
      ? t('status.expires', { count: chip.days })
      : chip.word === 'idle'
        ? t('status.idle', { days: chip.days })
        : t(`status.${chip.word}`)
  return <Chip tone={chip.tone}>{text}</Chip>
}

/** Does one thing at a time and says how it went. Secrets that come back are the caller's: nothing is cached. */
export function useDeed() {
  const [state, setState] = useState<{ busy: boolean; failure?: unknown; succeeded?: true }>({ busy: false })
  async function run<Result>(deed: () => Promise<Result>): Promise<Result | undefined> {
    if (state.busy) return undefined
    setState({ busy: true })
    try {
      const result = await freshly(deed)
      setState({ busy: false, succeeded: true })
      return result
    } catch (failure) {
      setState({ busy: false, failure })
      return undefined
    }
  }
  return { ...state, run }
}
