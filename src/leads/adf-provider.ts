import type { AttributionInput } from '../../generated/server/types.gen.ts'
import { isSaid } from './adf-element.ts'
import { nameParts } from './adf-names.ts'
import type { XmlElement } from './adf-xml.ts'
import { bare } from './text.ts'

/** The provider is who brought the customer. All that is said of it is kept beside. */
export function readAttribution(providers: readonly XmlElement[]): AttributionInput | undefined {
  const [source] = providers.flatMap((provider) => nameOf(provider) ?? [])
  return source === undefined ? undefined : { source }
}

/** Its name; else that of its contact, its service, or what stands there as mere text. */
function nameOf({ attributes, children, text }: XmlElement): string | undefined {
  const within = (name: string) => children.filter((child) => bare(child.name) === name)
  const named = [...within('name'), ...within('providername'), ...within('company'), ...within('companyname')]
  const [asAttribute] = ['name', 'providername'].flatMap((name) => saidIn({ text: attributes.get(name) ?? '' }))
  const [other] = [
    ...within('contact').flatMap((contact) => nameOf(contact) ?? []),
    ...within('service').flatMap(saidIn),
  ]
  return wholeName(named) ?? asAttribute ?? other ?? saidIn({ text })[0]
}

/** The whole name, or its parts in the order in which they are said. */
function wholeName(names: readonly XmlElement[]): string | undefined {
  const isPart = ({ attributes }: XmlElement) =>
    ['given', 'middle', 'family'].includes(nameParts.get(bare(attributes.get('part') ?? '')) ?? '')
  const [whole] = names.filter((name) => !isPart(name)).flatMap(saidIn)
  return whole ?? (names.filter(isPart).flatMap(saidIn).join(' ') || undefined)
}

const saidIn = (element: { text: string }): string[] => (isSaid(element) ? [element.text.trim()] : [])
