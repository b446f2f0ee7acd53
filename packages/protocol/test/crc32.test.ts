import { crc32Table } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { expect, test } from 'vitest'

test('the check value of CRC-32/ISO-HDLC holds: "123456789" is 0xcbf43926', () => {
  expect(crc32Table(new TextEncoder().encode('123456789'))).toBe(0xcbf43926)
})

test('the table and the native function agree, also in pieces', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const whole = crc32(bytes)
      expect(crc32Table(bytes)).toBe(whole)
      expect(crc32Table(bytes.subarray(cut), crc32Table(bytes.subarray(0, cut)))).toBe(whole)
      expect(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut)))).toBe(whole)
    }),
  )
})
