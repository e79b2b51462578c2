import { Button, Group, NativeSelect, Stack, Text, VisuallyHidden } from '@mantine/core'
import { useInfiniteQuery, useQuery } from '@tanstack/react-query'
import { Link, useLocation, useNavigate, useSearch } from '@tanstack/react-router'
import { useEffect, useEffectEvent, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Customer, Suggestion } from '../client.ts'
import { foundBy, newestCustomers, suggestionsOf } from '../customer-queries.ts'
import { customerName, searchFor } from '../customer.ts'
import { isolated } from '../formats.ts'
import { useLiveCustomers } from '../live-customers.ts'
import { Asked, Chip, Heads, More, Page, When } from './components.tsx'
import { NewCustomer } from './customer-form.tsx'
import { NoticeBar, useNotice } from './customer-notice.tsx'
import { Compare, Deeds, Hint, WhySame } from './customer-same.tsx'
import { SearchField, useTyped } from './customer-search.tsx'
import { EmailLink, PhoneLink } from './facts.tsx'

export function Customers() {
  const { t } = useTranslation()
  const { view, add, test = false } = useSearch({ from: '/customers' })
  const navigate = useNavigate()
  useLiveCustomers(({ subject }) => subject.type === 'customer')
  const kept = test ? { test } : {}
  const show = (next: { view?: 'same'; add?: true; test?: true }) =>
    void navigate({ to: '/customers', search: next, state: true, resetScroll: false })
  return (
    <Page title={t('customers.title')}>
      <Group justify="space-between" gap="sm">
        <nav aria-label={t('customers.views')}>
          <ul className="menu">
            <li>
              <Link to="/customers" search={kept} activeOptions={{ exact: true }} resetScroll={false}>
                {t('customers.all')}
              </Link>
            </li>
            <li>
              <Link
                to="/customers"
                search={{ ...kept, view: 'same' }}
                activeOptions={{ exact: true }}
                resetScroll={false}
              >
                {t('customers.same')}
              </Link>
            </li>
          </ul>
        </nav>
        <Group gap="sm">
          <NativeSelect
            aria-label={t('customers.kind')}
            value={test ? 'test' : 'real'}
            data={[
              { value: 'real', label: t('customers.real') },
              { value: 'test', label: t('customers.test') },
            ]}
            onChange={(event) =>
              show({ ...(view && { view }), ...(event.currentTarget.value === 'test' && { test: true }) })
            }
          />
          <Button onClick={() => show({ add: true })}>{t('customers.add')}</Button>
        </Group>
      </Group>
      {view === 'same' ? <AllSame test={test} /> : <AllCustomers test={test} />}
      {add && (
        <NewCustomer
          close={() => show({})}
          done={({ id }) => void navigate({ to: '/customers/$customerId', params: { customerId: id }, replace: true })}
        />
      )}
    </Page>
  )
}

/** Whoever is looked for, or else the newest. What is typed names people: the history keeps it, not the address. */
function AllCustomers({ test }: { test: boolean }) {
  const navigate = useNavigate()
  const kept = useLocation({ select: ({ state }) => state.typed ?? '' })
  const { typed, settled, setTyped } = useTyped(kept)
  const keep = useEffectEvent((text: string) => {
    if (text !== kept)
      void navigate({
        to: '/customers',
        search: true,
        replace: true,
        resetScroll: false,
        state: text === '' ? {} : { typed: text },
      })
  })
  // Only what was typed: a page that is left has nothing kept, and would come back.
  useEffect(() => keep(settled), [settled])
  return (
    <div className="panel">
      <Stack>
        <SearchField typed={typed} type={setTyped} />
        {searchFor(settled) ? <Found typed={settled} test={test} /> : <Newest test={test} />}
      </Stack>
    </div>
  )
}

function Found({ typed, test }: { typed: string; test: boolean }) {
  const { t } = useTranslation()
  const query = useQuery(foundBy(typed, test))
  return (
    <>
      <Text size="sm" role="status">
        {query.data &&
          t(query.data.more ? 'customers.foundMore' : 'customers.found', { count: query.data.items.length })}
      </Text>
      <Asked query={query}>{({ items }) => items.length > 0 && <Rows customers={items} />}</Asked>
    </>
  )
}

function Newest({ test }: { test: boolean }) {
  const { t } = useTranslation()
  const query = useInfiniteQuery(newestCustomers(test))
  return (
    <>
      <Asked query={query}>
        {({ pages }) => {
          const customers = pages.flatMap(({ items }) => items)
          return customers.length === 0 ? (
            <Text c="dimmed">{t('customers.none')}</Text>
          ) : (
            <>
              <Text size="sm" c="dimmed">
                {t('customers.newest')}
              </Text>
              <Rows customers={customers} />
            </>
          )
        }}
      </Asked>
      <More query={query} />
    </>
  )
}

const heads = ['customer', 'phones', 'emails', 'city', 'changed'] as const

function Rows({ customers }: { customers: readonly Customer[] }) {
  const { t } = useTranslation()
  return (
    <table className="rows customers">
      <VisuallyHidden component="caption">{t('customers.title')}</VisuallyHidden>
      <thead>
        <tr>
          <Heads of={heads} />
        </tr>
      </thead>
      <tbody>
        {customers.map((customer) => (
          <tr key={customer.id}>
            <td>
              <Link className="link wrap" to="/customers/$customerId" params={{ customerId: customer.id }}>
                <bdi>{customerName(customer) || t('customer.nameless')}</bdi>
              </Link>
              {customer.kind === 'organization' && (
                <div>
                  <Chip tone="quiet">{t('customerKind.organization')}</Chip>
                </div>
              )}
            </td>
            <td data-label={t('column.phones')}>{customer.phones[0] && <PhoneLink phone={customer.phones[0]} />}</td>
            <td data-label={t('column.emails')}>{customer.emails[0] && <EmailLink email={customer.emails[0]} />}</td>
            <td data-label={t('column.city')}>{customer.address?.city && <bdi>{customer.address.city}</bdi>}</td>
            <td data-label={t('column.changed')}>
              <When at={customer.updatedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

/** Pairs that may be the same, over all customers. */
function AllSame({ test }: { test: boolean }) {
  const { t } = useTranslation()
  const [comparing, setComparing] = useState<{ suggestion: Suggestion; stays: Customer; joins: Customer }>()
  const query = useInfiniteQuery(suggestionsOf(undefined, test))
  const noticed = useNotice()
  const name = (customer: Customer) => isolated(customerName(customer) || t('customer.nameless'))
  return (
    <>
      <div className="panel">
        <Stack>
          <Asked query={query}>
            {({ pages }) => {
              const pairs = pages.flatMap(({ items }) =>
                items.flatMap((suggestion) => {
                  // Whoever was there first stays: others may know it by its id.
                  const [stays, joins] = (suggestion.customers ?? []).toSorted((one, other) =>
                    one.id < other.id ? -1 : 1,
                  )
                  return stays && joins ? [{ suggestion, stays, joins }] : []
                }),
              )
              return pairs.length === 0 ? (
                <Text c="dimmed">{t('customers.noneSame')}</Text>
              ) : (
                <>
                  <Text size="sm">{t('customers.sameText')}</Text>
                  <ul className="plain apart">
                    {pairs.map(({ suggestion, stays, joins }) => {
                      const names = { one: name(stays), other: name(joins) }
                      return (
                        <li key={suggestion.id}>
                          <Stack gap={6} align="flex-start">
                            {[stays, joins].map((customer) => (
                              <div key={customer.id} className="wrap">
                                <Link className="link" to="/customers/$customerId" params={{ customerId: customer.id }}>
                                  {name(customer)}
                                </Link>{' '}
                                <Hint customer={customer} />
                              </div>
                            ))}
                            <WhySame suggestion={suggestion} />
                            <Deeds
                              suggestion={suggestion}
                              compare={t('same.compareTwo', names)}
                              reject={t('same.rejectTwo', names)}
                              open={() => setComparing({ suggestion, stays, joins })}
                              rejected={() => noticed.tell({ text: () => t('same.rejectTwo', names) })}
                            />
                          </Stack>
                        </li>
                      )
                    })}
                  </ul>
                </>
              )
            }}
          </Asked>
          <More query={query} />
        </Stack>
      </div>
      {comparing && <Compare {...comparing} close={() => setComparing(undefined)} tell={noticed.tell} see />}
      <NoticeBar {...noticed} />
    </>
  )
}
