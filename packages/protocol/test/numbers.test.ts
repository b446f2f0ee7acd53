import { epoch, InvariantError, NO_OFFSET, offset, producerId } from '@gomq/protocol'
import { expect, test } from 'vitest'

test('branded numbers take their range and nothing else', () => {
  for (const value of [-1, 0, 2 ** 53 - 1]) expect(offset(value)).toBe(value)
  for (const value of [0, 2 ** 32 - 1]) expect(epoch(value)).toBe(value)
  for (const value of [0, 2 ** 53 - 1]) expect(producerId(value)).toBe(value)
  expect(NO_OFFSET).toBe(-1)
  for (const value of [-2, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => offset(value)).toThrow(InvariantError)
  for (const value of [-1, 0.5, 2 ** 32, Number.NaN]) expect(() => epoch(value)).toThrow(InvariantError)
  for (const value of [-1, 0.5, 2 ** 53, Number.NaN]) expect(() => producerId(value)).toThrow(InvariantError)
})
