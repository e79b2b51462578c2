import { expect, onTestFinished } from 'vitest'
import { openLinker } from '../src/linking/linker.ts'
import { until } from './patience.ts'
import type { TestService } from './service.ts'

/** Finds out whose the leads of a dealer are, all that there are by now. */
export async function link({ service, db }: TestService, dealerId: string): Promise<void> {
  const failures: unknown[] = []
  const linker = openLinker(service.database.beside, (error) => void failures.push(error))
  onTestFinished(() => linker.stop())
  await until(async () => {
    await linker.link()
    const { seq } = await db('dealer_clocks').where({ dealer_id: dealerId }).first('seq')
    const cursor = await db('linker_cursors').where({ dealer_id: dealerId }).first('seq')
    return cursor?.seq === seq
  })
  await linker.stop()
  expect(failures).toEqual([])
}
