import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** What axe finds wrong with a page as it stands, by these rules or tags; of each rule the first few places. */
export async function accessibilityFaults(page: Page, runOnly: string[]): Promise<string[]> {
  // Its half a megabyte is read by a document once.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe.source)
  return page.evaluate(async (asked) => {
    const there = globalThis as unknown as { axe: typeof axe }
    const { violations } = await there.axe.run(document, { runOnly: asked, resultTypes: ['violations'] })
    return violations.flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`),
    )
  }, runOnly)
}
