import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadBatchItem, LeadBatchMisfit } from '../../generated/server/types.gen.ts'
import { badRequest, type Violation } from '../problem.ts'
import { isStorable, pointerTo } from './text.ts'

/** What is sent in a batch: the contract lets everything through, to be answered one by one. */
export type BatchItem = LeadBatchItem | LeadBatchMisfit

const { clientRef: ofClientRef, idempotencyKey: ofIdempotencyKey } = limits.LeadBatchItem

/** The item, if it is one. @throws {Problem} `bad-request` */
export function batchItem(sent: BatchItem, leadViolations: (lead: unknown) => Violation[]): LeadBatchItem {
  if (!isObject(sent)) throw badRequest([violation('', 'must be object')])
  const { clientRef, idempotencyKey, lead, ...unknown } = sent
  const violations = [
    ...textViolations('/clientRef', clientRef, ofClientRef.maxLength),
    ...textViolations('/idempotencyKey', idempotencyKey, ofIdempotencyKey.maxLength),
    ...Object.keys(unknown).map((name) => violation(pointerTo('', name), 'is not a member of an item')),
    ...leadViolations(lead).map((each) => ({ ...each, pointer: `/lead${each.pointer}` })),
  ]
  if (violations.length > 0) throw badRequest(violations)
  // The cast: that is what has just been checked.
  return sent as unknown as LeadBatchItem
}

/** What an item is called by its sender, if it is what the contract says. */
export function clientRefOf(sent: BatchItem): string | undefined {
  const clientRef = isObject(sent) ? sent.clientRef : undefined
  return typeof clientRef === 'string' && isTextUpTo(ofClientRef.maxLength, clientRef) ? clientRef : undefined
}

const isObject = (sent: BatchItem): sent is Record<string, unknown> =>
  typeof sent === 'object' && sent !== null && !Array.isArray(sent)

function textViolations(pointer: string, text: unknown, lengthMax: number): Violation[] {
  if (text === undefined || text === null || isTextUpTo(lengthMax, text)) return []
  return [violation(pointer, `must be a string of 1 to ${lengthMax} characters`)]
}

function isTextUpTo(lengthMax: number, text: unknown): boolean {
  return typeof text === 'string' && text.length >= 1 && text.length <= lengthMax && isStorable(text)
}

const violation = (pointer: string, message: string): Violation => ({ in: 'body', pointer, message })
