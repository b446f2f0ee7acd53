import { GomqError } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeSealed, readSealed, SEALED_HEAD_BYTES, valueOfVersion } from '../../src/format/sealed-record.js'

const MAGIC = 0x12345678
const value = fc.array(fc.oneof(fc.maxSafeNat(), fc.string(), fc.boolean(), fc.constant(null)), { maxLength: 20 })

test('what is sealed is read back, whatever follows it', () => {
  fc.assert(
    fc.property(value, fc.nat(0xffff), fc.uint8Array(), (value, version, behind) => {
      const sealed = encodeSealed(MAGIC, version, value, crc32)
      const record = readSealed(Buffer.concat([sealed, behind]), MAGIC, crc32)!
      expect([record.version, record.bytes]).toEqual([version, sealed.byteLength])
      expect(valueOfVersion(record, version, 'it')).toEqual(value)
    }),
  )
})

test('any flipped bit, in the head too, any cut and any other magic is damage', () => {
  const sealed = encodeSealed(MAGIC, 1, ['abc', 2 ** 40], crc32)
  for (let bit = 0; bit < 8 * sealed.byteLength; bit++) {
    const bytes = sealed.slice()
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    expect(readSealed(bytes, MAGIC, crc32), `bit ${bit}`).toBeUndefined()
  }
  for (let bytes = 0; bytes < sealed.byteLength; bytes++)
    expect(readSealed(sealed.subarray(0, bytes), MAGIC, crc32)).toBeUndefined()
  expect(readSealed(sealed, MAGIC + 1, crc32)).toBeUndefined()
  expect(sealed.byteLength).toBeGreaterThan(SEALED_HEAD_BYTES)
})

test('another version is intact and refused, its body unread', () => {
  const record = readSealed(encodeSealed(MAGIC, 9, { any: 'thing' }, crc32), MAGIC, crc32)!
  expect(() => valueOfVersion(record, 1, 'the file')).toThrow(GomqError)
  expect(() => valueOfVersion(record, 1, 'the file')).toThrow('the file has format version 9')
})
