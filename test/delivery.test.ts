import { describe, expect, it } from 'vitest'
import { beginning, cursorAt, type Position, positionAt, type View, viewFrom } from '../src/events/cursor.ts'
import { type Delivery, joined, type Place, readAlone, turn, turnAlone } from '../src/feed/delivery.ts'

/** The event `seq` of one history or another. */
const event = (seq: number, history = 'a'): Position => ({ seq: BigInt(seq), tag: `${history}${seq}` })
const listener = (at: Position, more: Partial<Place> = {}): Place => ({
  at,
  isCatchingUp: false,
  isFull: false,
  skips: false,
  ...more,
})
const catchingUp = { isCatchingUp: true }
const full = { isFull: true }
const skipping = { skips: true }
const there = (end: Position): View => ({ isThere: true, end })
const gone = (end: Position): View => ({ isThere: false, end })

describe('what becomes of a listener when the channel stands at 100', () => {
  it.each<[string, Place, View, Delivery]>([
    // Nothing new.
    ['stands there, too, and so does the feed', listener(event(100)), there(event(100)), 'wait'],
    ['is slow, and there is nothing new', listener(event(100), full), there(event(100)), 'wait'],
    ['is behind, and there is nothing new for the others', listener(event(90)), there(event(100)), 'catch up'],
    ['is at the very beginning', listener(beginning), there(event(100)), 'catch up'],
    // Something new.
    ['stands there, too', listener(event(100)), there(event(103)), 'hand out'],
    ['is behind', listener(event(99)), there(event(103)), 'catch up'],
    ['came when the channel had not seen the end yet', listener(event(103)), there(event(103)), 'wait'],
    ['came then, and more has come since', listener(event(102)), there(event(103)), 'catch up'],
    ['takes less than comes', listener(event(100), full), there(event(103)), 'catch up'],
    ['catches up, and has come to where the channel is', listener(event(100), catchingUp), there(event(103)), 'wait'],
    ['catches up', listener(event(90), catchingUp), there(event(103)), 'wait'],
    // Much new.
    ['wants 21 at once left out', listener(event(100), skipping), there(event(121)), 'skip'],
    ['wants 20 at once all the same', listener(event(100), skipping), there(event(120)), 'hand out'],
    ['wants all 10,000', listener(event(100)), there(event(10_100)), 'hand out'],
    ['wants many left out, but is behind', listener(event(99), skipping), there(event(121)), 'catch up'],
    ['wants many left out, but is slow', listener(event(100), { ...skipping, ...full }), there(event(121)), 'catch up'],
    // Put back to an earlier state.
    ['was there, and the feed ends before', listener(event(100)), gone(event(50)), 'restart'],
    ['was there, and is slow', listener(event(100), full), gone(event(50)), 'restart'],
    ['was there, and wants much left out', listener(event(100), skipping), gone(event(130, 'b')), 'restart'],
    ['was there, and another event has its number', listener(event(100)), gone(event(100, 'b')), 'restart'],
    ['was there, and the feed has grown past it', listener(event(100)), gone(event(130, 'b')), 'restart'],
    ['was ahead of all there is', listener(event(60)), gone(event(50)), 'restart'],
    ['has the last number with another event', listener(event(50, 'b')), gone(event(50)), 'restart'],
    ['came since, to where the feed ends now', listener(event(50)), gone(event(50)), 'wait'],
    ['may be ahead, and finds out by itself', listener(event(60)), gone(event(130, 'b')), 'catch up'],
    ['was behind, where nothing has changed', listener(event(40)), gone(event(50)), 'catch up'],
    ['catches up, and finds out by itself', listener(event(60), catchingUp), gone(event(50)), 'wait'],
    // Put back to exactly where the channel is, which does not show.
    ['was ahead of the channel', listener(event(102)), there(event(100)), 'restart'],
    ['stands with the channel', listener(event(100)), there(event(100)), 'wait'],
  ])('%s', (_, place, view, delivery) => {
    expect(turn(event(100), view, [place]).deliveries).toEqual([delivery])
  })
})

describe('how much is read behind a channel', () => {
  const here = listener(event(100))
  it.each<[string, Place[], View, number]>([
    ['all that is new', [here, listener(event(7))], there(event(103)), 3],
    ['a page of what is much', [here], there(event(10_100)), 100],
    ['nothing when nobody stands there', [listener(event(7)), listener(event(100), catchingUp)], there(event(103)), 0],
    ['nothing when all want it left out', [listener(event(100), skipping)], there(event(200)), 0],
    ['nothing when nobody listens', [], there(event(103)), 0],
    ['nothing when nothing is new', [here], there(event(100)), 0],
    ['nothing behind an event that is gone', [here], gone(event(130, 'b')), 0],
  ])('%s', (_, places, view, read) => {
    expect(turn(event(100), view, places).read).toBe(read)
  })
})

describe('what becomes of a listener who catches up from 90 to the channel at 100', () => {
  it.each<[string, Parameters<typeof turnAlone>, Delivery]>([
    ['its event is there', [listener(event(90)), there(event(100)), event(100)], 'hand out'],
    ['its event is gone', [listener(event(90)), gone(event(100, 'b')), event(100)], 'restart'],
    ['its event is gone, with all behind it', [listener(event(90)), gone(event(80)), event(100)], 'restart'],
    ['it is the last one now', [listener(event(90)), there(event(90)), event(100)], 'wait'],
    ['10 are not many', [listener(event(90), skipping), there(event(100)), event(100)], 'hand out'],
    ['60 are, and it wants them left out', [listener(event(40), skipping), there(event(100)), event(100)], 'skip'],
    ['the channel is where nothing is now', [listener(event(40), skipping), there(event(50)), event(100)], 'wait'],
    [
      'its event is gone, and it wants many left out',
      [listener(event(40), skipping), gone(event(100)), event(100)],
      'restart',
    ],
  ])('%s', (_, given, delivery) => {
    expect(turnAlone(...given)).toBe(delivery)
  })

  it.each([
    [90, 100, 10],
    [10, 100, 16],
    [100, 100, 0],
    [103, 100, 0],
  ])('from %i to %i it reads %i', (at, channel, read) => {
    expect(readAlone(event(at), event(channel))).toBe(read)
  })
})

it('leaves a channel where it is when somebody joins it', () => {
  expect(joined(event(100), event(105))).toEqual(event(100))
  expect(joined(undefined, event(105))).toEqual(event(105))
})

describe('a position', () => {
  const id = '0198c0ff-ee00-7000-8000-0123456789ab'
  const other = '0198c0ff-ee00-7000-8000-0123456789ac'
  const none = { seq: null, id: null }
  it.each<[string, string, string | null, boolean]>([
    ['that of the event', '7.0123456789ab', id, true],
    ['that of another event', '7.0123456789ab', other, false],
    ['of no event', '7.0123456789ab', null, false],
    ['that of the event, without its tag', '7', id, false],
    ['before the first event', '0.0', null, true],
    ['before the first event, without its tag', '0', null, false],
    ['before the first event, with a tag', '0.0123456789ab', null, false],
  ])('%s', (_, cursor, here, isThere) => {
    const position = positionAt(cursor)
    expect(viewFrom(position, here, none)).toEqual({ isThere, end: beginning })
    if (isThere) expect(cursorAt(position)).toBe(cursor)
  })

  it('of the end is that of the last event', () => {
    expect(cursorAt(viewFrom(beginning, null, { seq: '9', id }).end)).toBe('9.0123456789ab')
  })
})
