import { Button, Group, Stack, Text } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useEffect, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Event, Lead, Money, VehicleOfInterest } from '../client.ts'
import { eventsOf, leadCountsOf, leadOf, originalOf, requestsAbout } from '../queries.ts'
import { useFormats } from '../formats.ts'
import { marketingConsent, nameOf, vehicleName } from '../lead.ts'
import { forgetKept, showLead } from '../lead-cache.ts'
import { listen } from '../event-stream.ts'
import { usePerson } from '../session.ts'
import { en } from '../words/en.ts'
import { LeadsOfCustomer } from './customer-leads.tsx'
import { Address, EmailLink, Facts, PhoneLink, Warnings } from './facts.tsx'
import { LeadChips } from './lead-chips.tsx'
import { MoveButtons, MovingNotice, useMoving } from './moving.tsx'
import { Asked, Failed, Page, Panel, When } from './components.tsx'

export function LeadPage() {
  const { t } = useTranslation()
  const { leadId } = useParams({ from: '/leads/$leadId' })
  const queries = useQueryClient()
  const query = useQuery(leadOf(leadId))
  useEffect(
    () =>
      listen((message) => {
        const readHistoryAnew = () =>
          void queries.invalidateQueries({ queryKey: eventsOf({ id: leadId, test: false }).queryKey })
        if (message.type === 'restarted') forgetKept(queries)
        if (message.type === 'position' || message.type === 'skipped') {
          void queries.invalidateQueries({ queryKey: leadOf(leadId).queryKey })
          readHistoryAnew()
        }
        if (message.type !== 'event' || message.event.subject.id !== leadId) return
        if (message.event.lead) showLead(queries, message.event.lead)
        readHistoryAnew()
      }),
    [leadId, queries],
  )
  const before = <Link className="link" to="/leads" search={{}}>{`← ${t('lead.back')}`}</Link>
  if (query.data) return <KnownLead lead={query.data} before={before} />
  return (
    <Page title={t('lead.title')} before={before}>
      <Asked query={query} rows={8}>
        {() => null}
      </Asked>
    </Page>
  )
}

function KnownLead({ lead, before }: { lead: Lead; before: ReactNode }) {
  const { t } = useTranslation()
  const moving = useMoving()
  const { data } = useQuery(leadCountsOf({}))
  const { warnings = [] } = lead
  return (
    <Page title={nameOf(lead) || t('lead.nameless')} before={before}>
      <Stack gap="xs" align="flex-start">
        <Text fw={600}>
          {t(`leadStatus.${lead.status}`)}
          {lead.statusReason && ` (${t(`leadReason.${lead.statusReason}`)})`}
        </Text>
        <LeadChips lead={lead} targetMinutes={data?.responseTargetMinutes ?? 30} />
        <MoveButtons lead={lead} moving={moving} />
      </Stack>
      <MovingNotice moving={moving} />
      <div className="beside">
        <Stack gap="lg">
          <Panel title={t('lead.customer')}>
            <Customer lead={lead} />
          </Panel>
          {lead.customerId && <LeadsOfCustomer lead={lead} customerId={lead.customerId} />}
          <Panel title={t('lead.wish')}>
            <Wish lead={lead} />
          </Panel>
          {lead.vehiclesOfInterest.length > 0 && (
            <Panel title={t('lead.vehicles')}>
              {lead.vehiclesOfInterest.map((vehicle, at) => (
                <Vehicle key={at} vehicle={vehicle} />
              ))}
            </Panel>
          )}
          {lead.tradeIns.length > 0 && (
            <Panel title={t('lead.tradeIns')}>
              {lead.tradeIns.map((vehicle, at) => (
                <Vehicle key={at} vehicle={vehicle} wanted={vehicle.wantedPrice} />
              ))}
            </Panel>
          )}
          {lead.extra && Object.keys(lead.extra).length > 0 && (
            <Panel title={t('lead.extra')}>
              <Facts
                facts={Object.entries(lead.extra).map(([name, value]) => [
                  name,
                  <bdi key={name}>{typeof value === 'string' ? value : JSON.stringify(value)}</bdi>,
                ])}
              />
            </Panel>
          )}
        </Stack>
        <Stack gap="lg">
          {warnings.length > 0 && (
            <Panel title={t('lead.warningsTitle')}>
              <Warnings warnings={warnings} />
            </Panel>
          )}
          <Panel title={t('lead.timeline')}>
            <Timeline lead={lead} />
          </Panel>
          <Panel title={t('lead.origin')}>
            <Origin lead={lead} />
          </Panel>
          <Panel title={t('lead.consents')}>
            <Consents lead={lead} />
          </Panel>
        </Stack>
      </div>
    </Page>
  )
}

function Customer({ lead: { customer, customerId, duplicateOf, locale } }: { lead: Lead }) {
  const { t } = useTranslation()
  const { name, emails = [], phones = [], address } = customer ?? {}
  return (
    <>
      <Facts
        facts={[
          [t('lead.name'), name && <bdi>{nameOf({ customer })}</bdi>],
          [
            t('lead.phones'),
            phones.length > 0 &&
              phones.map((phone, at) => (
                <div key={at}>
                  <PhoneLink phone={phone} />
                </div>
              )),
          ],
          [
            t('lead.emails'),
            emails.length > 0 &&
              emails.map((email, at) => (
                <div key={at}>
                  <EmailLink email={email} />
                </div>
              )),
          ],
          [t('lead.address'), address && <Address address={address} />],
          [t('lead.locale'), locale],
        ]}
      />
      {/* Whose it is shows all leads of the customer; until that is found, there is this. */}
      {duplicateOf && !customerId && (
        <Text size="sm">
          <Link className="link" to="/leads/$leadId" params={{ leadId: duplicateOf }}>
            {t('lead.toDuplicate')}
          </Link>{' '}
          {t('lead.duplicateText')}
        </Text>
      )}
    </>
  )
}

function Wish({ lead: { type, message, appointment } }: { lead: Lead }) {
  const { t } = useTranslation()
  const { short } = useFormats()
  const said = useSaid()
  // Times that were not understood are kept as they were sent.
  const time = (text: string) => (Number.isNaN(Date.parse(text)) ? text : short(text))
  return (
    <>
      <Text fw={600}>{t(`leadType.${type}`)}</Text>
      {message !== undefined && (
        <Text className="wrap said">
          <bdi>{message}</bdi>
        </Text>
      )}
      {appointment && (
        <Facts
          facts={[
            [t('lead.appointment'), said('appointmentKind', appointment.kind)],
            [
              t('lead.slots'),
              appointment.requestedSlots?.map(({ start, end }, at) => (
                <div key={at}>
                  {time(start)}
                  {end !== undefined && ` – ${time(end)}`}
                </div>
              )),
            ],
            [t('lead.comments'), appointment.comments],
          ]}
        />
      )}
    </>
  )
}

function Vehicle({ vehicle, wanted }: { vehicle: VehicleOfInterest; wanted?: Money | undefined }) {
  const { t } = useTranslation()
  const { number, money } = useFormats()
  const said = useSaid()
  const priced = (price: Money | undefined) => price?.amount !== undefined && money(price.amount, price.currency)
  const {
    vin,
    registration,
    stockNumber,
    listingId,
    condition,
    odometer,
    fuel,
    transmission,
    colour,
    price,
    comments,
  } = vehicle
  return (
    <Stack gap={4}>
      <Text fw={600} className="wrap">
        <bdi>{vehicleName(vehicle) || t('lead.vehicleUnknown')}</bdi>
      </Text>
      <Facts
        facts={[
          [
            t('vehicle.registration'),
            registration && [registration.number, registration.countryCode].filter(Boolean).join(' '),
          ],
          [t('vehicle.vin'), vin],
          [t('vehicle.stockNumber'), stockNumber],
          [t('vehicle.listingId'), listingId],
          [t('vehicle.condition'), said('condition', condition)],
          [t('vehicle.odometer'), odometer && `${number(odometer.value)} ${odometer.unit ?? ''}`],
          [t('vehicle.fuel'), fuel],
          [t('vehicle.transmission'), transmission],
          [t('vehicle.colour'), colour],
          [t('vehicle.price'), priced(price)],
          [t('vehicle.wantedPrice'), priced(wanted)],
          [t('lead.comments'), comments],
        ]}
      />
    </Stack>
  )
}

function Timeline({ lead }: { lead: Lead }) {
  const { t } = useTranslation()
  const { duration } = useFormats()
  const what = ({ type, status, changed }: Event) =>
    type === 'lead.created' || type === 'lead.linked'
      ? t(type === 'lead.created' ? 'timeline.created' : 'timeline.linked')
      : changed.includes('status') && status
        ? t('timeline.moved', { status: t(`leadStatus.${status}`) })
        : t('timeline.changed')
  return (
    <>
      {lead.respondedAt && (
        <Text size="sm">
          {t('lead.responded', { after: duration(Date.parse(lead.respondedAt) - Date.parse(lead.receivedAt)) })}
        </Text>
      )}
      <Asked query={useQuery(eventsOf(lead))}>
        {({ items }) => (
          <ol className="plain">
            {items.map((event) => (
              <li key={event.id}>
                <Text size="sm" className="wrap">
                  <strong>{what(event)}</strong> · <bdi>{event.actor.name}</bdi> · <When at={event.at} />
                </Text>
              </li>
            ))}
          </ol>
        )}
      </Asked>
    </>
  )
}

/** Where the lead came from, down to the request that brought it. */
function Origin({ lead }: { lead: Lead }) {
  const { t } = useTranslation()
  const { can } = usePerson()
  const isAdmin = can('api-keys:manage') && lead.source.type === 'api_key'
  const requests = useQuery(requestsAbout(lead.source.id, lead.id, isAdmin))
  const { attribution, externalReference } = lead
  const from = requests.data?.items.at(-1)
  return (
    <>
      <Facts
        facts={[
          [
            t('lead.source'),
            isAdmin ? (
              <Link className="link" to="/settings/integrations/$apiKeyId" params={{ apiKeyId: lead.source.id }}>
                <bdi>{lead.source.name}</bdi>
              </Link>
            ) : (
              <bdi>{lead.source.name}</bdi>
            ),
          ],
          [t('lead.received'), <When key="received" at={lead.receivedAt} />],
          [t('lead.submitted'), lead.submittedAt && <When at={lead.submittedAt} />],
          [
            t('lead.request'),
            from && `${from.operation}, ${from.status ?? t('key.aborted')}, ${from.address}, ${from.requestId}`,
          ],
          [t('lead.reference'), externalReference && `${externalReference.source}: ${externalReference.id}`],
          [
            t('lead.campaign'),
            attribution && [attribution.source, attribution.medium, attribution.campaign].filter(Boolean).join(' · '),
          ],
          [t('lead.landingPage'), attribution?.landingPage],
          [
            t('lead.id'),
            <span key="id" className="mono">
              {lead.id}
            </span>,
          ],
        ]}
      />
      <Original leadId={lead.id} />
    </>
  )
}

function Original({ leadId }: { leadId: string }) {
  const { t } = useTranslation()
  const [isOpen, setIsOpen] = useState(false)
  const { data, error, refetch } = useQuery(originalOf(leadId, isOpen))
  return (
    <Stack gap="xs">
      <Group>
        <Button size="compact-md" variant="default" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          {t('lead.original')}
        </Button>
      </Group>
      {isOpen && error && <Failed failure={error} retry={() => void refetch()} />}
      {isOpen && data === null && (
        <Text size="sm" c="dimmed">
          {t('lead.noOriginal')}
        </Text>
      )}
      {isOpen && data && (
        <section aria-label={t('lead.original')}>
          <pre className="code" tabIndex={0}>
            {textIn(data.content)}
          </pre>
        </section>
      )}
    </Stack>
  )
}

type Vocabulary = 'appointmentKind' | 'condition' | 'consentPurpose' | 'consentChannel' | 'consentState'

/** A word of the contract in the language of the page; another one as it was sent. */
function useSaid() {
  const { t } = useTranslation()
  return (vocabulary: Vocabulary, word: string | undefined) =>
    word !== undefined && Object.hasOwn(en[vocabulary], word) ? t(`${vocabulary}.${word}` as 'condition.new') : word
}

/** Bytes as they came; nearly always they are UTF-8. */
function textIn(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return new TextDecoder('windows-1252').decode(bytes)
  }
}

function Consents({ lead: { consents } }: { lead: Lead }) {
  const { t } = useTranslation()
  const said = useSaid()
  return (
    <>
      <Text size="sm">{t(`consentText.${marketingConsent(consents)}`)}</Text>
      <ul className="plain">
        {consents.map(({ purpose, channel, state, text, capturedAt }, at) => (
          <li key={at}>
            <Text size="sm" className="wrap">
              <strong>
                {[said('consentPurpose', purpose), said('consentChannel', channel), said('consentState', state)]
                  .filter(Boolean)
                  .join(' · ')}
              </strong>
              {text !== undefined && (
                <>
                  : <bdi>{text}</bdi>
                </>
              )}
              {capturedAt !== undefined && !Number.isNaN(Date.parse(capturedAt)) && (
                <>
                  {' '}
                  · <When at={capturedAt} />
                </>
              )}
            </Text>
          </li>
        ))}
      </ul>
    </>
  )
}
