import { expect, it } from 'vitest'
import { inner, newId, outer } from '../src/ids.ts'

it('makes ids that rise, so that what was made later is listed later', () => {
  const before = Date.now()
  const ids = Array.from({ length: 50_000 }, newId)
  expect(ids.toSorted()).toEqual(ids)
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids.slice(0, 100))
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  const madeAt = Number.parseInt(ids[0]?.replace('-', '').slice(0, 12) ?? '', 16)
  expect([madeAt, before <= madeAt && madeAt <= Date.now()]).toEqual([madeAt, true])
})

it('gives an id back as it went out', () => {
  const id = newId()
  expect([outer('lead', id), inner(outer('lead', id))]).toEqual([`lead_${id.replaceAll('-', '')}`, id])
})
