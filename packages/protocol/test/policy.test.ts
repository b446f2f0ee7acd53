import {
  comparePolicies,
  filtersOverlap,
  GomqError,
  PolicyTable,
  RETENTION_DEFAULTS,
  type RetentionPolicy,
  TOMBSTONE_MS_DEFAULT,
  topicMatches,
  validatePolicy,
} from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LONG_FACTOR } from './arbitraries.js'

const policy = (changed: Partial<RetentionPolicy> = {}): RetentionPolicy => ({
  filter: 'orders/#',
  ...RETENTION_DEFAULTS,
  ...changed,
})

const level = fc.constantFrom('a', 'b', '', '$x')
const anyName = fc
  .array(level, { minLength: 1, maxLength: 4 })
  .map((levels) => levels.join('/'))
  .filter((name) => name !== '')
const anyFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))
  .filter((filter) => filter !== '')

/** Every name of up to four levels of the alphabet above and one level more that no filter has, and the empty one. */
const names: string[] = ['']
for (let before = [''], depth = 0; depth < 4; depth++) {
  before = before.flatMap((name) =>
    ['a', 'b', '', '$x', 'other'].map((next) => (depth === 0 ? next : `${name}/${next}`)),
  )
  names.push(...before.filter((name) => name !== ''))
}

describe('validatePolicy', () => {
  test('the defaults keep everything for ever, and tombstones for a day', () => {
    validatePolicy(policy())
    expect(RETENTION_DEFAULTS).toEqual({
      maxAgeMs: null,
      maxBytes: null,
      maxCount: null,
      isAckedRemoved: false,
      isCompacted: false,
      tombstoneMs: 86_400_000,
    })
    expect(TOMBSTONE_MS_DEFAULT).toBe(86_400_000)
  })

  test.each<[string, Partial<RetentionPolicy>]>([
    ['every bound', { maxAgeMs: 1, maxBytes: 1, maxCount: 1, isAckedRemoved: true, isCompacted: true, tombstoneMs: 0 }],
    ['the greatest numbers', { maxAgeMs: Number.MAX_SAFE_INTEGER, tombstoneMs: Number.MAX_SAFE_INTEGER }],
    ['a filter for all topics', { filter: '#' }],
  ])('a policy may have %s', (_, changed) => validatePolicy(policy(changed)))

  test.each<[string, Record<string, unknown>, string]>([
    ['an age of 0', { maxAgeMs: 0 }, 'maxAgeMs is 0; it is a whole number from 1'],
    ['half a byte', { maxBytes: 0.5 }, 'maxBytes is 0.5'],
    ['a count below 0', { maxCount: -1 }, 'maxCount is -1'],
    ['a count above 2^53 - 1', { maxCount: 2 ** 53 }, 'maxCount is 9007199254740992'],
    ['an age as text', { maxAgeMs: '1d' }, 'maxAgeMs is "1d"'],
    ['no age at all', { maxAgeMs: undefined }, 'maxAgeMs is undefined'],
    ['a number for a choice', { isCompacted: 1 }, 'isCompacted is 1; it is true or false'],
    ['a time for tombstones below 0', { tombstoneMs: -1 }, 'tombstoneMs is -1'],
    ['no time for tombstones', { tombstoneMs: null }, 'tombstoneMs is null'],
    ['no filter', { filter: undefined }, 'filter is undefined'],
  ])('%s is refused with INVALID_ARGUMENT, and the message names it', (_, changed, message) => {
    const refused = () => validatePolicy(policy(changed as Partial<RetentionPolicy>))
    expect(refused).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    expect(refused).toThrow(message)
  })

  test('a filter that is none is refused with INVALID_FILTER', () => {
    expect(() => validatePolicy(policy({ filter: 'a/#/b' }))).toThrow(
      expect.objectContaining({ constructor: GomqError, code: 'INVALID_FILTER' }),
    )
  })
})

describe('the most specific policy', () => {
  test('goes first: level by level, a literal before + before #', () => {
    const filters = ['a/b/c', 'a/b/+', 'a/+/c', 'a/+/+', 'a/#', '+/b/c', '+/+', '+/#', '#']
    const shuffled = [...filters].reverse().map((filter) => ({ filter }))
    expect(shuffled.sort(comparePolicies).map(({ filter }) => filter)).toEqual(filters)
  })

  test.each([
    ['a/b/c', ['#', 'a/#', 'a/+/c', 'a/b/+', 'a/b/c'], 'a/b/c'],
    ['a/b/c', ['a/+/c', 'a/b/+'], 'a/b/+'],
    ['a/b/c', ['+/b/c', 'a/#'], 'a/#'],
    ['a', ['a/#', 'a'], 'a'],
    ['a', ['+', 'a/#'], 'a/#'],
    ['a/b/d', ['a/b/c', 'a/#'], 'a/#'],
    ['a/x/c', ['a/x/+/+', 'a/x/b', '+/x/c'], '+/x/c'],
    ['$SYS/x', ['#', '+/x'], undefined],
    ['$SYS/x', ['#', '$SYS/#'], '$SYS/#'],
    ['b', ['a'], undefined],
  ])('that governs %s among %j is %s', (topic, filters, expected) => {
    expect(new PolicyTable(filters.map((filter) => ({ filter }))).for(topic)?.filter).toBe(expected)
  })

  test('is the first in order of all that match, whatever else is in the table', () => {
    fc.assert(
      fc.property(
        fc.array(anyFilter, { maxLength: 12 }),
        fc.array(anyName, { minLength: 1, maxLength: 6 }),
        (filters, topics) => {
          const entries = filters.map((filter) => ({ filter }))
          const table = new PolicyTable(entries)
          for (const topic of [...topics, ...topics]) {
            const expected = entries.filter(({ filter }) => topicMatches(filter, topic)).sort(comparePolicies)[0]
            expect(table.for(topic)?.filter).toBe(expected?.filter)
          }
        },
      ),
      { numRuns: 2000 * LONG_FACTOR },
    )
  })

  test('is found also among more topics than the table remembers', () => {
    const table = new PolicyTable([{ filter: 'a/+' }, { filter: 'a/7' }])
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 5000; i++) expect(table.for(`a/${i}`)?.filter).toBe(i === 7 ? 'a/7' : 'a/+')
    }
    expect(table.for(`a/${'x'.repeat(1000)}`)?.filter).toBe('a/+')
  })

  test('of two with one filter is the later', () => {
    expect(
      new PolicyTable([
        { filter: 'a', n: 1 },
        { filter: 'a', n: 2 },
      ]).for('a')?.n,
    ).toBe(2)
  })

  test('the order is total', () => {
    fc.assert(
      fc.property(anyFilter, anyFilter, anyFilter, (a, b, c) => {
        const order = (x: string, y: string) => Math.sign(comparePolicies({ filter: x }, { filter: y }))
        expect(order(a, b)).toBe(0 - order(b, a))
        expect(order(a, b) === 0).toBe(a === b)
        if (order(a, b) <= 0 && order(b, c) <= 0) expect(order(a, c)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 2000 * LONG_FACTOR },
    )
  })
})

describe('filtersOverlap', () => {
  test.each([
    ['a/#', 'a', true],
    ['a/+', 'a', false],
    ['a/+', '+/b', true],
    ['a/+/c', 'a/b/#', true],
    ['a/b', 'a/c', false],
    ['#', '$SYS/x', false],
    ['+/x', '$SYS/x', false],
    ['$SYS/#', '$SYS/x', true],
    ['#', '+', true],
  ])('%s and %s: %s', (a, b, expected) => {
    expect(filtersOverlap(a, b)).toBe(expected)
    expect(filtersOverlap(b, a)).toBe(expected)
  })

  test('says whether any name matches both', () => {
    fc.assert(
      fc.property(anyFilter, anyFilter, (a, b) => {
        expect(filtersOverlap(a, b)).toBe(names.some((name) => topicMatches(a, name) && topicMatches(b, name)))
      }),
      { numRuns: 1000 * LONG_FACTOR },
    )
  })
})
