import { Button, Group, Stack, Text, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { useTranslation } from 'react-i18next'
import {
  type Customer,
  type CustomerSources,
  type MergedCustomer,
  mergeCustomers,
  rejectSuggestion,
  type Suggestion,
  unmergeCustomer,
} from '../client.ts'
import { answered } from '../answer.ts'
import { customerOf, customersKey, foundBy, mergeOf, shown, suggestionsOf } from '../customer-queries.ts'
import { customerName, fields, type Said, saidUnder, searchFor, speaksAgainst, strengthOf } from '../customer.ts'
import { isolated } from '../formats.ts'
import { service } from '../session.ts'
import { Asked, Chip, Dialog, Failed, Heads, More, Panel, useDeed, When } from './components.tsx'
import { useReasons } from './customer-leads.tsx'
import type { Notice } from './customer-notice.tsx'
import { SearchField, useTyped } from './customer-search.tsx'
import { entriesOf } from './customer-value.tsx'

type Tell = (notice: Notice) => void

const tones = { high: 'good', middle: 'notice', low: 'quiet' } as const

function useName() {
  const { t } = useTranslation()
  return (said: Said) => isolated(customerName(said) || t('customer.nameless'))
}

/** Who may be the same as a customer, and a way to merge it with anybody else. */
export function Same({ customer, tell }: { customer: Customer; tell: Tell }) {
  const { t } = useTranslation()
  const name = useName()
  const [comparing, setComparing] = useState<{ other: Customer; suggestion?: Suggestion }>()
  const [isFinding, setIsFinding] = useState(false)
  const query = useInfiniteQuery(suggestionsOf(customer.id, customer.test))
  return (
    <Panel title={t('same.title')}>
      <Asked query={query}>
        {({ pages }) => {
          const suggestions = pages.flatMap(({ items }) => items).toSorted((one, other) => other.score - one.score)
          return suggestions.length === 0 ? (
            <Text size="sm" c="dimmed">
              {t('same.none')}
            </Text>
          ) : (
            <ul className="plain apart">
              {suggestions.map((suggestion) => {
                const other = suggestion.customers?.find(({ id }) => id !== customer.id)
                return (
                  other && (
                    <li key={suggestion.id}>
                      <Stack gap={6} align="flex-start">
                        <Link className="link wrap" to="/customers/$customerId" params={{ customerId: other.id }}>
                          {name(other)}
                        </Link>
                        <Hint customer={other} />
                        <WhySame suggestion={suggestion} />
                        <Deeds
                          suggestion={suggestion}
                          compare={t('same.compareNamed', { name: name(other) })}
                          reject={t('same.rejectNamed', { name: name(other) })}
                          open={() => setComparing({ other, suggestion })}
                          rejected={() => tell({ text: () => t('same.rejected', { name: name(other) }) })}
                        />
                      </Stack>
                    </li>
                  )
                )
              })}
            </ul>
          )
        }}
      </Asked>
      <More query={query} />
      <Group>
        <Button size="compact-md" variant="default" onClick={() => setIsFinding(true)}>
          {t('same.find')}
        </Button>
      </Group>
      {isFinding && (
        <FindOther
          customer={customer}
          close={() => setIsFinding(false)}
          choose={(other) => {
            setIsFinding(false)
            setComparing({ other })
          }}
        />
      )}
      {comparing && (
        <Compare
          stays={customer}
          joins={comparing.other}
          suggestion={comparing.suggestion}
          close={() => setComparing(undefined)}
          tell={tell}
        />
      )}
    </Panel>
  )
}

/** By what one is told from another of the same name. */
export function Hint({ customer: { phones, emails, address } }: { customer: Customer }) {
  const hints = [phones[0]?.number, emails[0]?.address, address?.city].filter((hint) => hint !== undefined)
  return (
    hints.length > 0 && (
      <Text component="span" size="sm" c="dimmed" className="wrap">
        <bdi>{hints.join(' · ')}</bdi>
      </Text>
    )
  )
}

/** How likely two are the same, and what speaks for it and against. */
export function WhySame({ suggestion }: { suggestion: Suggestion }) {
  const { t } = useTranslation()
  const said = useReasons()
  const strength = strengthOf(suggestion)
  return (
    <>
      <Chip tone={tones[strength]}>{t(`same.strength.${strength}`)}</Chip>
      <ul className="plain close">
        {said(suggestion.reasons).map(({ reason, text }) => (
          <li key={reason}>
            <Text size="sm" className="wrap">
              <span aria-hidden>{speaksAgainst(reason) ? '− ' : '+ '}</span>
              <VisuallyHidden>{t(speaksAgainst(reason) ? 'same.against' : 'same.for')} </VisuallyHidden>
              {text}
            </Text>
          </li>
        ))}
      </ul>
    </>
  )
}

export function Deeds({
  suggestion,
  compare,
  reject,
  open,
  rejected,
}: {
  suggestion: Suggestion
  compare: string
  reject: string
  open: () => void
  rejected: () => void
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  async function submit() {
    const done = await run(() => answered(rejectSuggestion({ client: service, path: { suggestionId: suggestion.id } })))
    if (!done) return
    rejected()
    void queries.invalidateQueries({ queryKey: customersKey })
  }
  return (
    <>
      {failure !== undefined && <Failed failure={failure} />}
      <Group gap="xs">
        <Button size="compact-md" variant="default" aria-label={compare} onClick={open}>
          {t('same.compare')}
        </Button>
        <Button size="compact-md" variant="default" aria-label={reject} loading={busy} onClick={() => void submit()}>
          {t('same.reject')}
        </Button>
      </Group>
    </>
  )
}

/** Looks for the customer that one is to be merged with. */
function FindOther({
  customer,
  close,
  choose,
}: {
  customer: Customer
  close: () => void
  choose: (other: Customer) => void
}) {
  const { t } = useTranslation()
  const name = useName()
  const { typed, settled, setTyped } = useTyped('')
  const query = useQuery(foundBy(settled, customer.test))
  const found = query.data?.items.filter(({ id }) => id !== customer.id) ?? []
  return (
    <Dialog title={t('same.findTitle')} close={close}>
      <Stack>
        <SearchField typed={typed} type={setTyped} isInDialog />
        {searchFor(settled) && (
          <Asked query={query}>
            {({ more }) => (
              <>
                <Text size="sm" role="status">
                  {more
                    ? t('customers.foundMore', { count: found.length })
                    : t('customers.found', { count: found.length })}
                </Text>
                <ul className="plain apart">
                  {found.map((other) => (
                    <li key={other.id}>
                      <Group justify="space-between" gap="xs">
                        <div className="wrap">
                          <Text size="sm" fw={600}>
                            {name(other)}
                          </Text>
                          <Hint customer={other} />
                        </div>
                        <Button
                          size="compact-md"
                          variant="default"
                          aria-label={t('same.choose', { name: name(other) })}
                          onClick={() => choose(other)}
                        >
                          {t('same.compare')}
                        </Button>
                      </Group>
                    </li>
                  ))}
                </ul>
              </>
            )}
          </Asked>
        )}
      </Stack>
    </Dialog>
  )
}

const heads = ['field', 'thisOne', 'theOther', 'together'] as const

/** A customer as it was listed, or as it was changed since. */
function useNewest(listed: Customer): Customer {
  const now = useQuery(customerOf(listed.id)).data?.customer
  return now?.id === listed.id && now.version > listed.version ? now : listed
}

/** Two side by side, with what would be shown of them as one, before anything is done. */
export function Compare({
  stays: listedStays,
  joins: listedJoins,
  suggestion,
  close,
  tell,
  see,
}: {
  stays: Customer
  joins: Customer
  suggestion?: Suggestion | undefined
  close: () => void
  tell: Tell
  /** Where the merged customer is not on the page anyway. */
  see?: boolean
}) {
  const { t } = useTranslation()
  const name = useName()
  const queries = useQueryClient()
  const [stays, joins] = [useNewest(listedStays), useNewest(listedJoins)]
  const preview = useQuery(mergeOf(joins, stays))
  const { busy, failure, run } = useDeed()
  const merged = preview.data?.customer
  const names = { name: name(joins), other: name(stays) }

  async function merge() {
    const path = { customerId: joins.id }
    const done = await run(() => shown(queries, mergeCustomers({ client: service, path, body: { into: stays.id } })))
    if (!done) return
    close()
    tell({
      text: () => t(see ? 'same.mergedTwo' : 'same.merged', names),
      ...(see && { see: { customerId: done.id, text: () => t('same.see') } }),
      undo: async () => {
        await shown(queries, unmergeCustomer({ client: service, path }))
        return { text: () => t('same.unmerged', { name: names.name }) }
      },
    })
  }
  return (
    <Dialog title={t('same.dialog')} close={close} size="xl">
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        {suggestion && (
          <Stack gap={6} align="flex-start">
            <WhySame suggestion={suggestion} />
          </Stack>
        )}
        <table className="rows compare">
          <VisuallyHidden component="caption">{t('same.dialog')}</VisuallyHidden>
          <thead>
            <tr>
              <Heads of={heads} />
            </tr>
          </thead>
          <tbody>
            {fields.map((field) => {
              const entries = [stays, joins, merged ?? {}].map((said) => entriesOf(field, said))
              return (
                entries.some(({ length }) => length > 0) &&
                // Of two people that needs no saying.
                (field !== 'kind' || stays.kind !== joins.kind) && (
                  <tr key={field}>
                    <th scope="row">{t(`customerField.${field}`)}</th>
                    {entries.map((all, at) => (
                      <Cell key={at} at={at}>
                        {all.map((entry, of) => (
                          <div key={of}>{entry}</div>
                        ))}
                      </Cell>
                    ))}
                  </tr>
                )
              )
            })}
            <tr>
              <th scope="row">{t('customer.references')}</th>
              {([stays, joins, merged] as const).map((of, at) => (
                <Cell key={at} at={at}>
                  {of?.externalReferences.map(({ source, id }) => (
                    <div key={`${source} ${id}`}>
                      {t('customer.reference', { source: isolated(source), id: isolated(id) })}
                    </div>
                  ))}
                </Cell>
              ))}
            </tr>
          </tbody>
        </table>
        {preview.error && <Failed failure={preview.error} retry={() => void preview.refetch()} />}
        <Text size="sm">{t('same.text')}</Text>
        <Group>
          <Button loading={busy} disabled={!merged} onClick={() => void merge()}>
            {t('same.merge')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('state.cancel')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}

/** Of one of the columns behind the first. */
function Cell({ at, children }: { at: number; children: ReactNode }) {
  const { t } = useTranslation()
  const head = heads[at + 1] ?? 'field'
  return (
    <td data-label={t(`column.${head}`)} className={head === 'together' ? 'together' : undefined}>
      {children}
    </td>
  )
}

/** The customers that are part of one, each of which can be taken out again. */
export function Parts({ sources, tell }: { sources: CustomerSources; tell: Tell }) {
  const { t } = useTranslation()
  const name = useName()
  const [leaving, setLeaving] = useState<MergedCustomer>()
  if (sources.merged.length === 0) return null
  const nameOf = (part: MergedCustomer) => name(saidUnder(part.customerId, sources))
  return (
    <Panel title={t('same.parts')}>
      <Text size="sm">{t('same.partsText')}</Text>
      <ul className="plain apart">
        {sources.merged.map((part) => (
          <li key={part.customerId}>
            <Group justify="space-between" gap="xs" align="flex-start">
              <div className="wrap">
                <Text size="sm" fw={600}>
                  {nameOf(part)}
                </Text>
                <Text size="sm" c="dimmed">
                  {part.by && `${t('same.mergedBy', { name: isolated(part.by.name) })} · `}
                  <When at={part.at} />
                </Text>
              </div>
              <Button
                size="compact-md"
                variant="default"
                aria-label={t('same.takeOutNamed', { name: nameOf(part) })}
                onClick={() => setLeaving(part)}
              >
                {t('same.takeOut')}
              </Button>
            </Group>
          </li>
        ))}
      </ul>
      {leaving && <TakeOut part={leaving} name={nameOf(leaving)} close={() => setLeaving(undefined)} tell={tell} />}
    </Panel>
  )
}

function TakeOut({
  part: { customerId, into },
  name,
  close,
  tell,
}: {
  part: MergedCustomer
  name: string
  close: () => void
  tell: Tell
}) {
  const { t } = useTranslation()
  const queries = useQueryClient()
  const { busy, failure, run } = useDeed()
  async function takeOut() {
    const path = { customerId }
    const done = await run(() => shown(queries, unmergeCustomer({ client: service, path })))
    if (!done) return
    close()
    tell({
      text: () => t('same.unmerged', { name }),
      see: { customerId, text: () => t('same.seeOther', { name }) },
      undo: async () => {
        await shown(queries, mergeCustomers({ client: service, path, body: { into } }))
        return { text: () => t('same.merged', { name }) }
      },
    })
  }
  return (
    <Dialog title={t('same.takeOutTitle', { name })} close={close}>
      <Stack>
        {failure !== undefined && <Failed failure={failure} />}
        <Text size="sm">{t('same.takeOutText')}</Text>
        <Group>
          <Button loading={busy} onClick={() => void takeOut()}>
            {t('same.takeOutSubmit')}
          </Button>
          <Button variant="default" onClick={close}>
            {t('state.cancel')}
          </Button>
        </Group>
      </Stack>
    </Dialog>
  )
}
