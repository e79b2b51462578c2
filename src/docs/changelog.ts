import { escaped } from '../html.ts'
import { page } from './page.ts'

/** What came with one release of the contract, or since the last; `code` stands between backticks. */
export interface Release {
  /** Absent of what came since the last release. */
  date?: string
  changes: string[]
}

/** What has been added for integrators, the newest first. */
export function changelog(releases: readonly Release[]): string {
  const sections = releases.map(({ date, changes }) => {
    const items = changes.map((change) => `<li>${escaped(change).replaceAll(/`([^`]+)`/g, '<code>$1</code>')}</li>`)
    return `<h2>${date === undefined ? 'Since then' : escaped(date)}</h2>\n<ul>${items.join('\n')}</ul>`
  })
  const content = [
    '<p>Version 1 only grows: operations, members and values are added, and nothing that works is taken away. Let your',
    'client pass over members and values that it does not know, and it goes on to work.</p>',
    ...sections,
  ]
  return page('Changelog', content.join('\n'))
}
