import { expect, it, onTestFinished, vi } from 'vitest'
import { grantedScopes } from '../../src/api-keys/api-key.ts'
import type { ApiKey } from '../../src/dashboard/client.ts'
import {
  chipOf,
  isDeletionConfirmed,
  isGhost,
  lockedOut,
  nextDay,
  possibleScopes,
  startOfDay,
  usualScopes,
} from '../../src/dashboard/key.ts'

const now = new Date('2026-11-23T12:00:00Z')
const daysAgo = (days: number) => new Date(now.getTime() - days * 86_400_000).toISOString()
const used = (days: number) => ({
  lastUsed: {
    at: daysAgo(days),
    operation: 'createLead',
    status: 201,
    address: '192.0.2.1',
    mask: 'cb_dr_live_abcd…wxyz',
  },
})
const replacement = { state: 'pending', newMask: 'new', oldMask: 'old', oldEndsAfter: 'after_1_hour' } as const
const key = (more: Partial<ApiKey> = {}): ApiKey => ({
  id: `key_${'0'.repeat(32)}`,
  name: 'Form',
  kind: 'digital_requests',
  environment: 'live',
  scopes: ['leads:create'],
  status: 'active',
  disabled: false,
  mask: 'cb_dr_live_abcd…wxyz',
  createdAt: daysAgo(100),
  updatedAt: daysAgo(100),
  ...more,
})

it('shows of a key what should be seen first', () => {
  const chips: [Partial<ApiKey>, object][] = [
    [used(0), { tone: 'good', word: 'active' }],
    [{}, { tone: 'quiet', word: 'unused' }],
    [used(29.9), { word: 'active' }],
    [used(30), { word: 'idle', days: 30 }],
    [{ ...used(0), expiresAt: daysAgo(-7.1) }, { word: 'active' }],
    [{ expiresAt: daysAgo(-7) }, { tone: 'notice', word: 'expires', days: 7 }],
    [
      { ...used(40), expiresAt: daysAgo(-0.2) },
      { word: 'expires', days: 1 },
    ],
    [
      { expiresAt: daysAgo(-1), replacement },
      { tone: 'notice', word: 'replacing' },
    ],
    [
      { ...used(0), status: 'disabled', replacement },
      { tone: 'quiet', word: 'disabled' },
    ],
    [
      { status: 'expired', expiresAt: daysAgo(1) },
      { tone: 'bad', word: 'expired' },
    ],
    [
      { status: 'deleted', deletedAt: daysAgo(1) },
      { tone: 'bad', word: 'deleted' },
    ],
  ]
  expect(chips.map(([more]) => chipOf(key(more), now))).toEqual(chips.map(([, chip]) => expect.objectContaining(chip)))
})

it('offers for a key of each kind what the service grants, and what it grants by itself', () => {
  for (const kind of ['digital_requests', 'extensive_integrations'] as const) {
    expect(usualScopes(kind)).toEqual(grantedScopes(kind, undefined))
    expect(possibleScopes(kind)).toEqual(grantedScopes(kind, possibleScopes(kind)))
  }
  const all = possibleScopes('extensive_integrations')
  expect(() => grantedScopes('digital_requests', all)).toThrow()
})

it('asks for the name of a key that was used within a week or does much, before it is deleted', () => {
  const keys = [key(), key(used(6.9)), key(used(7)), key({ kind: 'extensive_integrations' })]
  expect(keys.map((one) => isDeletionConfirmed(one, now))).toEqual([false, true, false, true])
})

it('knows a deleted key that is still tried', () => {
  const keys = [
    key(used(1)),
    key({ ...used(2), deletedAt: daysAgo(1) }),
    key({ ...used(1), deletedAt: daysAgo(2) }),
    key({ deletedAt: daysAgo(2) }),
  ]
  expect(keys.map(isGhost)).toEqual([false, false, true, false])
})

it('knows who still uses what has ended, is disabled or has expired, for a week', () => {
  const last = (days: number, mask: string) => ({ ...used(days), lastLockedOut: { ...used(days).lastUsed!, mask } })
  const { mask } = key()
  const keys: [Partial<ApiKey>, string | undefined][] = [
    [used(1), undefined],
    [last(1, 'ended'), 'ended'],
    [last(7.1, 'ended'), undefined],
    [last(1, mask), undefined],
    [{ ...last(1, 'old'), replacement }, undefined],
    [{ ...last(1, 'new'), replacement }, undefined],
    [{ ...last(1, mask), status: 'disabled' }, 'disabled'],
    [{ ...last(1, mask), status: 'expired' }, 'expired'],
    [{ ...last(1, 'ended'), status: 'disabled' }, 'ended'],
    [{ ...last(2, mask), status: 'disabled', lastAccepted: used(1).lastUsed! }, undefined],
    [{ ...last(1, mask), status: 'deleted' }, undefined],
  ]
  expect(keys.map(([more]) => lockedOut(key(more), now))).toEqual(keys.map(([, why]) => why))
})

it('ends a day where the next begins, also when the clocks change', () => {
  vi.stubEnv('TZ', 'Europe/Copenhagen')
  onTestFinished(() => void vi.unstubAllEnvs())
  const hours = (day: string) => (nextDay(day).getTime() - startOfDay(day).getTime()) / 3_600_000
  expect(['2026-03-29', '2026-10-25', '2026-12-31'].map(hours)).toEqual([23, 25, 24])
  expect(nextDay('2026-12-31')).toEqual(startOfDay('2027-01-01'))
})
