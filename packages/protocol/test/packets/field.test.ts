import {
  bool,
  bytes,
  errorCode,
  integer,
  list,
  message,
  nullable,
  offsetField,
  oneOf,
  ranges,
  text,
  u32,
} from '@gomq/protocol'
import { describe, expect, test } from 'vitest'

const malformed = expect.objectContaining({ code: 'MALFORMED_FRAME' })

describe('fields', () => {
  test.each<[string, { decode(value: unknown, where: string): unknown; description: string }, unknown[], unknown[]]>([
    ['an integer', integer(2, 4), [2, 4], [1, 5, 2.5, Number.NaN, '3', null, 3n, true]],
    ['a u32', u32, [0, 2 ** 32 - 1], [-1, 2 ** 32]],
    ['an offset', offsetField(), [-1, 2 ** 53 - 1], [-2, 2 ** 53]],
    ['a boolean', bool, [true, false], [0, 1, 'true', null]],
    ['text', text(3), ['', 'abc', '😀a'], ['abcd', 1, null, new Uint8Array(1)]],
    ['bytes', bytes, [new Uint8Array(0)], ['', null, [1]]],
    ['an optional text', nullable(text(1)), [null, 'a'], ['ab', 1]],
    ['a list', list(u32, 2), [[], [1, 2]], [[1, 2, 3], [-1], 1, null]],
    [
      'ranges',
      ranges(2, 10),
      [
        [0, 1],
        [0, 1, 1, 10],
      ],
      [[], [0], [1, 1], [0, 11], [0, 1, 2, 3, 4, 5], ['0', 1], null],
    ],
    ['one of two', oneOf('a', 'b'), [], [2, -1, 0.5, 'a', null, 'length']],
    ['an error code', errorCode, [], [0.5, '1', null]],
    ['a message', message(3), ['abc'], ['abcd', 1]],
  ])('%s takes its values and refuses the others', (_, field, good, bad) => {
    for (const value of good) expect(field.decode(value, 'X.y')).toEqual(value)
    for (const value of bad) expect(() => field.decode(value, 'X.y'), String(value)).toThrow(malformed)
    expect(field.description).not.toBe('')
  })

  test('names travel as their position', () => {
    const field = oneOf('written', 'synced')
    expect([field.encode('synced'), field.decode(1, '')]).toEqual([1, 'synced'])
  })

  test('a refusal says where in a list the value stands', () => {
    expect(() => list(text(1), 5).decode(['a', 'bc'], 'X.filters')).toThrow(/^X\.filters\[1\] is text of 2 characters/)
  })
})
