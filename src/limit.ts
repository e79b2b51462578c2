/**
 * How much of something may be done. `most` at once, and what was used comes back at so much a second; without
 * `perSecond`, `most` on one day.
 */
export interface Limit {
  readonly most: number
  readonly perSecond?: number
}

/** What is counted of API keys as they use it, by all processes together. */
export const usedByKeys = ['leads', 'reads', 'writes', 'bytes'] as const
/** What is counted by the audit log. */
export const doneInDay = ['replacements', 'invitations'] as const
/** Those that are of a key, in the order in which they are shown. */
export const ofKeys = [...usedByKeys, 'replacements'] as const
export type UsedByKeys = (typeof usedByKeys)[number]
export type DoneInDay = (typeof doneInDay)[number]
export type LimitName = UsedByKeys | DoneInDay
export type Limits = Readonly<Record<LimitName, Limit>>

export const defaultLimits: Limits = {
  leads: { most: 2_000, perSecond: 50 },
  reads: { most: 200, perSecond: 20 },
  writes: { most: 500, perSecond: 50 },
  bytes: { most: 1_073_741_824 },
  replacements: { most: 10 },
  invitations: { most: 30 },
}

export const thingsCounted: Readonly<Record<LimitName, string>> = {
  leads: 'leads',
  reads: 'reads',
  writes: 'changes',
  bytes: 'bytes of leads',
  replacements: 'replacements of an API key',
  invitations: 'invitations and links to choose a password',
}

const said = String.raw`(?:leads|reads|writes)=\d{1,6}/\d{1,7}|bytes=\d{1,13}|(?:replacements|invitations)=\d{1,5}`
/** `leads=50/2000,bytes=1073741824`: so many a second and at once, or in a day. */
export const limitsPattern = new RegExp(`^(?:off|(?:${said})(?:,(?:${said}))*)$`)

/** What a text of that pattern says, and the default of what it does not name; undefined for `off`. */
export function limitsIn(text: string): Limits | undefined {
  if (text === 'off') return undefined
  const entries = text.split(',').map((each) => {
    const [name = '', amount = ''] = each.split('=')
    const [perSecond, most] = amount.split('/').map(Number)
    return [name, most === undefined ? { most: perSecond } : { most, perSecond }]
  })
  return { ...defaultLimits, ...Object.fromEntries(entries) }
}
