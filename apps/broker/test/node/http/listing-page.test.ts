import fc from 'fast-check'
import { expect, test } from 'vitest'
import { byCodeUnit, pageOf, smallestAbove } from '../../../src/node/http/listing-page.js'

test('the smallest names above a place are those that sorting all of them finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.string({ maxLength: 3, unit: 'binary' }), { maxLength: 200 }),
      fc.option(fc.string({ maxLength: 3, unit: 'binary' }), { nil: undefined }),
      fc.integer({ min: 1, max: 30 }),
      async (names, after, count) => {
        const sorted = [...new Set(names)].sort(byCodeUnit).filter((name) => after === undefined || name > after)
        expect(await smallestAbove(names, after, count)).toEqual(sorted.slice(0, count))
      },
    ),
  )
})

test('a long list gives the broker turns', async () => {
  const names = Array.from({ length: 200_000 }, (_, i) => `${i}`)
  let turns = 0
  const timer = setInterval(() => turns++, 0)
  await smallestAbove(names, undefined, 10)
  clearInterval(timer)
  expect(turns).toBeGreaterThan(2)
})

test('a page ends at its limit or at its bytes, and says so', () => {
  const held: number[] = []
  const page = (names: string[], limit: number) =>
    pageOf(
      names,
      limit,
      (name) => name,
      (bytes) => held.push(bytes),
    )
  expect(page(['a', 'b'], 2)).toEqual({ items: ['a', 'b'] })
  expect(page(['a', 'b', 'c'], 2)).toEqual({ items: ['a', 'b'], next: 'b' })
  expect(page([], 2)).toEqual({ items: [] })
  const long = 'x'.repeat(5 * 1024 * 1024)
  expect(page([long, long, long], 3)).toEqual({ items: [long, long], next: long })
  expect(held.at(-1)).toBe(2 * (long.length + 2))
})
