import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadBatchItem, LeadBatchMisfit } from '../../generated/server/types.gen.ts'
import { badRequest, type Violation } from '../problem.ts'
import { isStorable, pointerTo } from './text.ts'

/** What is sent in a batch: the contract lets all objects through, to be answered one by one. */
export type BatchItem = LeadBatchItem | LeadBatchMisfit

const { clientRef: ofClientRef, idempotencyKey: ofIdempotencyKey } = limits.LeadBatchItem

/** The item, if it is one. @throws {Problem} `bad-request` */
export function batchItem(sent: BatchItem, leadViolations: (lead: unknown) => Violation[]): LeadBatchItem {
  const { clientRef, idempotencyKey, lead, ...unknown } = sent
  const violations = [
    ...textViolations('/clientRef', clientRef, ofClientRef.maxLength),
    ...textViolations('/idempotencyKey', idempotencyKey, ofIdempotencyKey.maxLength),
    ...Object.keys(unknown).map((name) => violation(pointerTo('', name), 'is not a member of an item')),
    ...leadViolations(lead).map((each) => ({ ...each, pointer: `/lead${each.pointer}` })),
  ]
  if (violations.length > 0) throw badRequest(violations)
  // The cast: that is what has just been checked.
  return sent as LeadBatchItem
}

/** What an item is called by its sender, if it is what the contract says. */
export function clientRefOf({ clientRef }: BatchItem): string | undefined {
  return typeof clientRef === 'string' && isTextUpTo(ofClientRef.maxLength, clientRef) ? clientRef : undefined
}

function textViolations(pointer: string, text: unknown, lengthMax: number): Violation[] {
  if (text === undefined || isTextUpTo(lengthMax, text)) return []
  return [violation(pointer, `must be a string of 1 to ${lengthMax} characters`)]
}

function isTextUpTo(lengthMax: number, text: unknown): boolean {
  return typeof text === 'string' && text.length >= 1 && text.length <= lengthMax && isStorable(text)
}

const violation = (pointer: string, message: string): Violation => ({ in: 'body', pointer, message })
