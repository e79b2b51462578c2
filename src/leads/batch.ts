import { isUtf8 } from 'node:buffer'
import * as limits from '../../generated/server/limits.gen.ts'
import type { LeadBatchItem, LeadBatchMisfit } from '../../generated/server/types.gen.ts'
import { decoded, wideEncodingOf } from '../encoding.ts'
import { type JsonFaults, pointerTo, walkJson } from '../json.ts'
import { badRequest, type Violation } from '../problem.ts'
import { isLonger } from './text.ts'

/** What is sent in a batch: the contract lets everything through, to be answered one by one. */
export type BatchItem = LeadBatchItem | LeadBatchMisfit

const { clientRef: ofClientRef, idempotencyKey: ofIdempotencyKey } = limits.LeadBatchItem

/** The leads of a batch, each as it was sent. */
export interface SentLeads {
  /** The bytes of one; they are looked for when the first is asked for. */
  bytesOf(at: number): Buffer
  /** It was not read. */
  isTooLarge(at: number): boolean
  /** What of one is not in the values that were read. */
  faultsOf(at: number): JsonFaults | undefined
  /** The pointers to members that an item has more than once: of two leads one would be lost. */
  repeatedIn(at: number): string[]
}

/**
 * @param faults those of the whole body.
 * @throws {Problem} `bad-request` when there is a second list of leads, which would hide the first.
 */
export function sentLeads(body: Buffer, charset: string | undefined, faults: JsonFaults | undefined): SentLeads {
  if (faults?.repeated.includes('/leads')) throw badRequest([violation('/leads', repeatedMessage)])
  // Nearly UTF-8: places in the bytes are places in the text.
  const isPlain = (charset === undefined || charset === 'utf-8') && !wideEncodingOf(body)
  const repeatedUnder = (pointer: string) =>
    (faults?.repeated ?? []).filter((each) => each.startsWith(`${pointer}/`)).map((each) => each.slice(pointer.length))
  let found: Map<number, Buffer> | undefined
  const find = () => {
    const places = new Map<number, Buffer>()
    const json = isPlain ? body : Buffer.from(decoded(body, () => charset).text)
    const visit = ([list, at, name]: readonly string[], { start, end }: { start: number; end: number }) => {
      if (list === 'leads' && name === 'lead') places.set(Number(at), json.subarray(start, end))
    }
    walkJson(json, visit, { enters: (path) => path.length < 3 })
    return places
  }
  const bytesOf = (at: number) => (found ??= find()).get(at) ?? Buffer.alloc(0)

  return {
    bytesOf,
    isTooLarge: (at) => faults?.tooLarge?.includes(`/leads/${at}`) === true,
    faultsOf: (at) => {
      if (!faults) return undefined
      return {
        ...faults,
        isMisencoded: faults.isMisencoded && !(isPlain && isUtf8(bytesOf(at))),
        repeated: repeatedUnder(`/leads/${at}/lead`),
      }
    },
    repeatedIn: (at) => repeatedUnder(`/leads/${at}`).filter((pointer) => !pointer.includes('/', 1)),
  }
}

/** The item, if it is one. @throws {Problem} `bad-request` */
export function batchItem(
  sent: BatchItem,
  repeated: readonly string[],
  leadViolations: (lead: unknown) => Violation[],
): LeadBatchItem {
  if (!isObject(sent)) throw badRequest([violation('', 'must be object')])
  const { clientRef, idempotencyKey, lead, ...unknown } = sent
  const violations = [
    ...textViolations('/clientRef', clientRef, 1, ofClientRef.maxLength),
    ...textViolations('/idempotencyKey', idempotencyKey, 0, ofIdempotencyKey.maxLength),
    ...Object.keys(unknown).map((name) => violation(pointerTo('', name), 'is not a member of an item')),
    ...repeated.map((pointer) => violation(pointer, repeatedMessage)),
    ...leadViolations(lead).map((each) => ({ ...each, pointer: `/lead${each.pointer}` })),
  ]
  if (violations.length > 0) throw badRequest(violations)
  // The cast: that is what has just been checked.
  return sent as unknown as LeadBatchItem
}

/** What an item is called by its sender, if it is what the contract says. */
export function clientRefOf(sent: BatchItem): string | undefined {
  const clientRef = isObject(sent) ? sent.clientRef : undefined
  return typeof clientRef === 'string' && isText(clientRef, 1, ofClientRef.maxLength) ? clientRef : undefined
}

const isObject = (sent: BatchItem): sent is Record<string, unknown> =>
  typeof sent === 'object' && sent !== null && !Array.isArray(sent)

function textViolations(pointer: string, text: unknown, lengthMin: number, lengthMax: number): Violation[] {
  if (text === undefined || text === null || isText(text, lengthMin, lengthMax)) return []
  return [violation(pointer, `must be a string of ${lengthMin} to ${lengthMax} characters`)]
}

function isText(text: unknown, lengthMin: number, lengthMax: number): boolean {
  return typeof text === 'string' && text.length >= lengthMin && !isLonger(text, lengthMax)
}

const repeatedMessage = 'is there more than once'
const violation = (pointer: string, message: string): Violation => ({ in: 'body', pointer, message })
