import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { OffsetRanges } from '../src/offset-ranges.js'

const OFFSETS = 60

/** The dumb twin: a set of single offsets. */
class Twin {
  readonly #offsets = new Set<number>()

  add(from: number, to: number): void {
    for (let offset = from; offset < to; offset++) this.#offsets.add(offset)
  }

  remove(from: number, to: number): number {
    let removed = 0
    for (let offset = from; offset < to; offset++) if (this.#offsets.delete(offset)) removed++
    return removed
  }

  has(offset: number): boolean {
    return this.#offsets.has(offset)
  }

  toArray(): number[] {
    const bounds: number[] = []
    for (let offset = 0; offset <= OFFSETS; offset++) if (this.has(offset) !== this.has(offset - 1)) bounds.push(offset)
    return bounds
  }
}

function offsetsIn(flat: readonly number[]): number[] {
  const offsets: number[] = []
  for (let i = 0; i < flat.length; i += 2)
    for (let offset = flat[i]!; offset < flat[i + 1]!; offset++) offsets.push(offset)
  return offsets
}

const range = fc.tuple(fc.integer({ min: 0, max: OFFSETS }), fc.integer({ min: 0, max: 12 }))
const step = fc.record({ isAdd: fc.boolean(), range })

describe('offset ranges', () => {
  test('hold what a plain set of offsets holds, after any program of additions and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ranges = new OffsetRanges()
        const twin = new Twin()
        for (const { isAdd, range } of steps) {
          const from = range[0]
          const to = Math.min(OFFSETS, from + range[1])
          if (isAdd) {
            ranges.add(from, to)
            twin.add(from, to)
          } else expect(ranges.remove(from, to)).toBe(twin.remove(from, to))
          const expected = twin.toArray()
          expect(ranges.toArray()).toEqual(expected)
          expect(ranges.count).toBe(expected.length / 2)
          expect(ranges.isEmpty).toBe(expected.length === 0)
          expect(ranges.min).toBe(expected[0])
          // By hand: a million calls of `expect` take a minute.
          let next: number | undefined
          for (let offset = OFFSETS; offset >= 0; offset--) {
            if (twin.has(offset)) next = offset
            if (ranges.has(offset) !== twin.has(offset) || ranges.firstFrom(offset) !== next)
              throw new Error(`at ${offset}, of ${expected}: ${ranges.has(offset)}, ${ranges.firstFrom(offset)}`)
          }
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('a span is made of the parts that are in the set and the gaps between them', () => {
    fc.assert(
      fc.property(fc.array(range, { maxLength: 12 }), range, (added, [from, length]) => {
        const ranges = new OffsetRanges()
        const twin = new Twin()
        for (const [start, size] of added) {
          ranges.add(start, Math.min(OFFSETS, start + size))
          twin.add(start, Math.min(OFFSETS, start + size))
        }
        const to = Math.min(OFFSETS, from + length)
        const missing: number[] = []
        const present: number[] = []
        for (let offset = from; offset < to; offset++) (twin.has(offset) ? present : missing).push(offset)
        expect(offsetsIn(ranges.gaps(from, to))).toEqual(missing)
        expect(offsetsIn(ranges.within(from, to))).toEqual(present)
      }),
    )
  })

  test('a queue of two thousand ranges that are taken from the front keeps its order', () => {
    const ranges = new OffsetRanges()
    for (let i = 0; i < 2000; i++) ranges.add(3 * i, 3 * i + 2)
    for (let i = 0; i < 1999; i++) expect(ranges.remove(3 * i, 3 * i + 2)).toBe(2)
    expect(ranges.toArray()).toEqual([5997, 5999])
    ranges.clear()
    expect(ranges.isEmpty).toBe(true)
  })
})
