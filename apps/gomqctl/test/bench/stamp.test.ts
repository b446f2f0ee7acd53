import { expect, test } from 'vitest'
import { END_SEQUENCE, STAMP_BYTES, Stamp } from '../../src/bench/stamp.js'

test('a stamp comes back as it was written, wherever its payload lies', () => {
  const payload = new Uint8Array(64).subarray(3)
  new Stamp().write(payload, 0xffff_fff1, 3, 2 ** 40, 1234.5)
  const stamp = new Stamp()
  expect(stamp.read(payload)).toBe(true)
  expect([stamp.run, stamp.producer, stamp.sequence, stamp.fromMs]).toEqual([0xffff_fff1, 3, 2 ** 40, 1234.5])
  stamp.write(payload, 1, 0, END_SEQUENCE, -1)
  expect(stamp.read(payload) && stamp.sequence).toBe(END_SEQUENCE)
})

test('a payload that is too short has none', () => {
  expect(new Stamp().read(new Uint8Array(STAMP_BYTES - 1))).toBe(false)
})
