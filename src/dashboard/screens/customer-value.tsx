import type { ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import type { Field, Said } from '../customer.ts'
import { isolated } from '../formats.ts'
import { personName } from '../lead.ts'
import { Address, EmailLink, PhoneLink } from './facts.tsx'

/** The parts of a member as they are shown, an entry each: as many as it has origins. */
export function entriesOf(field: Field, said: Said): ReactNode[] {
  const { kind, name, organization, emails = [], phones = [], address } = said
  switch (field) {
    case 'kind':
      return kind === undefined ? [] : [<KindText key="kind" kind={kind} />]
    case 'name':
      return name ? [<bdi key="name">{personName(name)}</bdi>] : []
    case 'organization':
      return organization ? [<OrganizationText key="organization" organization={organization} />] : []
    case 'phones':
      return phones.map((phone) => <PhoneLink key={phone.number} phone={phone} />)
    case 'emails':
      return emails.map((email) => <EmailLink key={email.address} email={email} />)
    case 'address':
      return address ? [<Address key="address" address={address} />] : []
  }
}

function KindText({ kind }: { kind: string }) {
  const { t } = useTranslation()
  return t(`customerKind.${kind}` as 'customerKind.person')
}

function OrganizationText({
  organization: { name, registrationNumber },
}: {
  organization: NonNullable<Said['organization']>
}) {
  const { t } = useTranslation()
  return (
    <>
      <bdi>{name}</bdi>
      {registrationNumber !== undefined && <div>{t('customer.cvr', { number: isolated(registrationNumber) })}</div>}
    </>
  )
}
