import { meaningOf } from './adf-dialect.ts'
import { translate } from './adf-translation.ts'
import type { XmlElement } from './adf-xml.ts'

export interface Prospect {
  readonly element: XmlElement
  /** Who brought the customer, as it is said beside the prospects for all of them. */
  readonly providers: readonly XmlElement[]
}

/**
 * Takes the prospects out of wherever they are, with the names that ADF has for what is in them. What stands beside the
 * only one is meant to be in it. Without any, an `adf` or a `lead` with a customer is one.
 */
export function takeProspects(envelope: XmlElement): Prospect[] {
  const found = prospectsIn(envelope)
  const [only, ...others] = found.length > 0 ? found : prospectsWithoutName(envelope)
  if (only && others.length === 0) only.element.children.push(...takeBeside(only.parent))
  return [...(only ? [only] : []), ...others].map(({ element, parent }) => {
    translate(element)
    return {
      element,
      providers: parent.children.filter(({ name }) => meaningOf(name, 'prospect')?.name === 'provider'),
    }
  })
}

interface Found {
  element: XmlElement
  parent: XmlElement
}

/** In one whose end is missing there is the next. */
function prospectsIn(parent: XmlElement): Found[] {
  const { children } = parent
  parent.children = children.filter(({ name }) => name !== 'prospect')
  return children.flatMap((element) =>
    element.name === 'prospect' ? [{ element, parent }, ...prospectsIn(element)] : prospectsIn(element),
  )
}

function prospectsWithoutName(parent: XmlElement): Found[] {
  return parent.children.flatMap((adf) => {
    const isProspect =
      ['adf', 'lead'].includes(adf.name) && adf.children.some((child) => isCustomer(child) && child.children.length > 0)
    if (!isProspect) return prospectsWithoutName(adf)
    const element = { ...adf, name: 'prospect' }
    parent.children = parent.children.filter((child) => child !== adf)
    return [{ element, parent }]
  })
}

const isCustomer = ({ name }: XmlElement) => ['customer', 'contact'].includes(meaningOf(name, 'prospect')?.name ?? '')

function takeBeside(parent: XmlElement): XmlElement[] {
  const isOfProspect = ({ name }: XmlElement) => meaningOf(name, 'prospect') !== undefined
  const beside = parent.children.filter(isOfProspect)
  parent.children = parent.children.filter((child) => !isOfProspect(child))
  return beside
}
