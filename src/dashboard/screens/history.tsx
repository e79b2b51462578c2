import { Text, VisuallyHidden } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { useTranslation } from 'react-i18next'
import { browserOf } from '../browser.ts'
import type { ApiKeyLimit, AuditEntry, AuditSubject } from '../client.ts'
import { useFormats } from '../formats.ts'
import { en } from '../words/en.ts'
import { Asked, Heads, More, type Paged, When } from './components.tsx'
import { useLimitWords } from './limits.tsx'

/** Who changed what. `none`: what to say when there is nothing. */
export function Entries({
  query,
  caption,
  none,
  withSubject = false,
}: {
  query: Paged<AuditEntry>
  caption: string
  none: string
  withSubject?: boolean
}) {
  const { t } = useTranslation()
  const heads = ['at', 'what', ...(withSubject ? (['subject'] as const) : []), 'who', 'reason'] as const
  return (
    <Asked query={query}>
      {({ pages }) => {
        const entries = pages.flatMap(({ items }) => items)
        if (entries.length === 0)
          return (
            <Text c="dimmed" role="status">
              {none}
            </Text>
          )
        return (
          <>
            <table className="rows">
              <VisuallyHidden component="caption">{caption}</VisuallyHidden>
              <thead>
                <tr>
                  <Heads of={heads} />
                </tr>
              </thead>
              <tbody>
                {entries.map((entry) => (
                  <tr key={entry.id}>
                    <td>
                      <When at={entry.at} />
                    </td>
                    <td>
                      <Text fw={600} size="sm">
                        {t(`action.${entry.action}`)}
                      </Text>
                      <Changes entry={entry} />
                    </td>
                    {withSubject && (
                      <td data-label={t('column.subject')}>
                        <Subject subject={entry.subject} />
                      </td>
                    )}
                    <td data-label={t('column.who')}>
                      <bdi>{entry.actor.type === 'unknown' ? t('audit.unknown') : entry.actor.name}</bdi>
                      {entry.address !== undefined && ` (${entry.address})`}
                    </td>
                    <td data-label={entry.reason && t('column.reason')}>
                      {entry.reason && <Reason reason={entry.reason} />}
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
            <More query={query} />
          </>
        )
      }}
    </Asked>
  )
}

function Subject({ subject: { type, id, name } }: { subject: AuditSubject }) {
  return type === 'api_key' ? (
    <Link className="link" to="/settings/integrations/$apiKeyId" params={{ apiKeyId: id }}>
      <bdi>{name}</bdi>
    </Link>
  ) : (
    <bdi>{name}</bdi>
  )
}

function Reason({ reason }: { reason: string }) {
  const { t } = useTranslation()
  return (
    <>
      <bdi>{reason}</bdi>
      {isKnown(en.audit.refused, reason) && (
        <Text size="sm" c="dimmed">
          {t(`audit.refused.${reason}`)}
        </Text>
      )}
    </>
  )
}

function Changes({ entry: { before, after } }: { entry: AuditEntry }) {
  const shown = useShown()
  const { t } = useTranslation()
  const was: Record<string, unknown> = before
  return Object.entries(after).map(([member, value]) => (
    <Text key={member} size="sm" c="dimmed" className="wrap">
      {`${isKnown(en.member, member) ? t(`member.${member}`) : member}: `}
      {member in was && (
        <>
          <bdi>{shown(member, was[member])}</bdi> →{' '}
        </>
      )}
      <bdi>{shown(member, value)}</bdi>
    </Text>
  ))
}

function useShown() {
  const { t } = useTranslation()
  const { list, short } = useFormats()
  const { named, allowed } = useLimitWords()
  return function shown(member: string, value: unknown): string {
    if (value === null || value === undefined) return t('state.none')
    if (typeof value === 'boolean') return t(value ? 'yes' : 'no')
    if (Array.isArray(value)) return list(value.map((item) => shown(member, item)))
    if (member === 'limits') {
      // The cast: so they are written down.
      const own = Object.entries(value as Record<string, Pick<ApiKeyLimit, 'most' | 'perSecond'>>)
      if (own.length === 0) return t('state.none')
      return list(own.map(([name, limit]) => `${named(name)} ${allowed(name, limit)}`))
    }
    if (typeof value !== 'string') return JSON.stringify(value)
    if (member === 'kind' && isKnown(en.kind, value)) return t(`kind.${value}.title`)
    if (member === 'environment' && isKnown(en.environment, value)) return t(`environment.${value}`)
    if (member === 'scopes' && isKnown(en.scope, value)) return t(`scope.${value}`)
    if (member === 'role' && isKnown(en.role, value)) return t(`role.${value}`)
    if (member === 'oldEnds' && isKnown(en.replace.ends, value)) return t(`replace.ends.${value}`)
    if (member === 'newCounts' && isKnown(en.replace.counts, value)) return t(`replace.counts.${value}`)
    if (member === 'userAgent') return browserOf(value)
    return member === 'expiresAt' || member === 'lastAt' ? short(value) : value
  }
}

const isKnown = <Texts extends object>(texts: Texts, name: string): name is keyof Texts & string =>
  Object.hasOwn(texts, name)
