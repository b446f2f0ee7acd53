import { concatBytes, encodeUtf8 } from '@gomq/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { StoredNames } from '../../src/format/stored-names.js'
import { GrowingNames } from '../../src/format/topic-names.js'

const stored = (names: Iterable<string>) => new StoredNames(concatBytes([...new GrowingNames(names).encode()]))

const numberOf = (names: GrowingNames, name: string) => {
  const bytes = encodeUtf8(`<${name}>`)
  return names.numberIn(bytes, 1, bytes.byteLength - 1)
}

test('stored names are the names that were written, of any length, and are written as they were', () => {
  const name = fc.oneof(fc.string({ unit: 'binary', maxLength: 40 }), fc.constantFrom('x'.repeat(31), 'x'.repeat(32)))
  const long = fc.constantFrom('y'.repeat(255), 'y'.repeat(256), 'z'.repeat(65_535))
  fc.assert(
    fc.property(fc.array(fc.oneof({ arbitrary: name, weight: 20 }, long), { maxLength: 40 }), (names) => {
      const known = stored(names)
      expect(known.count).toBe(names.length)
      expect([...known]).toEqual(names)
      expect(names.map((_, number) => known.at(number))).toEqual(names)
      expect(new StoredNames(concatBytes([...known.encode()])).count).toBe(names.length)
    }),
    { numRuns: 30 },
  )
})

test('a name that is asked for opens the piece it stands in and no other', () => {
  const names = stored(Array.from({ length: 100_000 }, (_, i) => `topic/${i}`))
  const before = names.memoryBytes
  expect(names.at(70_003)).toBe('topic/70003')
  const opened = names.memoryBytes - before
  expect(opened).toBeGreaterThan(0)
  expect(opened).toBeLessThanOrEqual(4 * 5_000)
  for (let i = 70_000; i < 70_010; i++) expect(names.at(i)).toBe(`topic/${i}`)
  expect(names.memoryBytes - before).toBe(opened)
})

test('growing names keep their numbers, also those that were read', () => {
  const grown = new GrowingNames(stored(['', 'a', 'b']))
  expect([numberOf(grown, 'b'), numberOf(grown, 'c'), numberOf(grown, 'a'), grown.count]).toEqual([2, 3, 1, 4])
  expect([...grown]).toEqual(['', 'a', 'b', 'c'])
})

test('a name has one number, however many there are and whatever they are made of', () => {
  // Few characters, so that names meet again; some beyond ASCII, one that a byte of another begins with.
  const name = fc.string({
    unit: fc.constantFrom('a', 'b', '/', '\x7f', 'é', 'ÿ', '€', '😀'),
    minLength: 1,
    maxLength: 4,
  })
  fc.assert(
    fc.property(fc.array(name, { maxLength: 600 }), (names) => {
      const grown = new GrowingNames()
      const twin = new Map<string, number>()
      for (const each of names) {
        if (!twin.has(each)) twin.set(each, twin.size + 1)
        expect(numberOf(grown, each)).toBe(twin.get(each))
      }
      expect([...grown]).toEqual(['', ...twin.keys()])
    }),
    { numRuns: 100 },
  )
})
