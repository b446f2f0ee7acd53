import { type Offset, OffsetRanges, offset, topicMatches } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RetainedMessages } from '../src/retained-messages.js'
import { RetainedSearch } from '../src/retained-search.js'

const name = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '', '$sys')
const topic = fc.array(name, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/') || 'a')
const filter = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])].join('/') || '#')

/** Offsets that searches find, one behind the other, so many offsets and steps at a time. */
function found(
  retained: RetainedMessages,
  filters: readonly string[],
  before: number,
  stepsAtOnce: number,
  max = 1000,
): Offset[] {
  const ranges = new OffsetRanges()
  for (let from = offset(0); from < before; ) {
    const known = countOf(ranges)
    const search = new RetainedSearch(retained, { filters, from, before: offset(before), max }, ranges)
    while (!search.run(stepsAtOnce));
    expect(countOf(ranges) - known).toBeLessThanOrEqual(max)
    if (search.foundTo < before) expect(countOf(ranges) - known).toBe(max)
    from = search.foundTo
  }
  return offsetsIn(ranges)
}

function offsetsIn(ranges: OffsetRanges): Offset[] {
  const offsets: Offset[] = []
  const bounds = ranges.toArray()
  for (let i = 0; i < bounds.length; i += 2)
    for (let at = bounds[i]!; at < bounds[i + 1]!; at++) offsets.push(offset(at))
  return offsets
}

function countOf(ranges: OffsetRanges): number {
  return offsetsIn(ranges).length
}

describe('retained messages', () => {
  test('a walk over the offsets shows each that was there before it and still is, once, whatever changes meanwhile', () => {
    const step = fc.record({ topic, isClear: fc.boolean(), steps: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(topic, { maxLength: 30 }), fc.array(step, { maxLength: 30 }), (before, changes) => {
        const retained = new RetainedMessages()
        const still = new Map<string, Offset>()
        let at = 0
        for (const topic of before) {
          retained.set(topic, offset(at))
          still.set(topic, offset(at++))
        }
        const known = at
        const walk = retained.offsets()
        const seen: Offset[] = []
        const go = (steps: number) => {
          for (let i = 0; i < steps; i++) {
            const { done, value } = walk.next()
            if (done) return
            if (value < known) seen.push(value)
          }
        }
        for (const { topic, isClear, steps } of changes) {
          go(steps)
          if (isClear) retained.clear(topic)
          else retained.set(topic, offset(at++))
          still.delete(topic)
        }
        go(Number.POSITIVE_INFINITY)
        expect(new Set(seen).size).toBe(seen.length)
        for (const offset of still.values()) expect(seen).toContain(offset)
      }),
    )
  })

  test('a filter finds exactly the retained messages that a look at every topic finds', () => {
    const step = fc.record({ topic, isClear: fc.boolean() })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 40 }),
        fc.array(filter, { minLength: 1, maxLength: 3 }),
        fc.nat(40),
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 1, max: 8 }),
        (steps, filters, before, stepsAtOnce, max) => {
          const retained = new RetainedMessages()
          const twin = new Map<string, Offset>()
          for (const [at, { topic, isClear }] of steps.entries()) {
            if (isClear) {
              retained.clear(topic)
              twin.delete(topic)
            } else {
              retained.set(topic, offset(at))
              twin.set(topic, offset(at))
            }
          }
          const expected = [...twin]
            .filter(([name, at]) => at < before && filters.some((each) => topicMatches(each, name)))
            .map(([, at]) => at)
            .sort((a, b) => a - b)
          expect(found(retained, filters, before, stepsAtOnce, max)).toEqual(expected)
          expect(retained.count).toBe(twin.size)
          expect(new Map(retained.entries())).toEqual(twin)
          for (const [name, at] of twin) expect(retained.offsetOf(name)).toBe(at)
        },
      ),
      { numRuns: 2000 },
    )
  })

  test('a search among very many finds the oldest, in order and each once, and the next one goes on behind them', () => {
    const retained = new RetainedMessages()
    const topics = 50_000
    // In an order that has nothing to do with that of the offsets.
    for (let i = 0; i < topics; i++) retained.set(`t/${(i * 7919) % topics}`, offset(3 * i))
    const expected = Array.from({ length: topics }, (_, i) => 3 * i)
    expect(found(retained, ['t/+', '#'], 3 * topics, 2000, 9000)).toEqual(expected)
  })

  test('[MQTT-3.3.1-10] a cleared topic has no retained message, and clearing again changes nothing', () => {
    const retained = new RetainedMessages()
    retained.set('a/b', offset(1))
    retained.set('a/b', offset(2))
    retained.clear('a')
    expect([retained.count, retained.offsetOf('a/b'), retained.offsetOf('a')]).toEqual([1, 2, undefined])
    retained.clear('a/b')
    retained.clear('a/b')
    expect([retained.count, retained.offsetOf('a/b')]).toEqual([0, undefined])
  })

  test('a topic of two hundred levels is found', () => {
    const deep = Array.from({ length: 200 }, (_, i) => `l${i}`).join('/')
    const retained = new RetainedMessages()
    retained.set(deep, offset(7))
    expect(found(retained, [deep, '#', 'l0/#', `${'+/'.repeat(199)}+`], 8, 1000)).toEqual([7])
  })
})
