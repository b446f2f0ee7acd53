import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeText, decodeValue, encodeValue } from '../../src/session/value-codec.js'

const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

test('text and bytes go as they are', () => {
  const bytes = new Uint8Array([1])
  expect([encodeValue('x', null), encodeValue(bytes, null)]).toEqual([
    { value: 'x', headers: null },
    { value: bytes, headers: null },
  ])
  expect([decodeValue(new Uint8Array([0x78]), true, null), decodeValue(bytes, false, null)]).toEqual(['x', bytes])
})

test('plain data comes back as it was, with a header that says so beside those of the caller', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      if (typeof value === 'string') return
      const { value: packed, headers } = encodeValue(value, { a: 'b' })
      expect(headers).toEqual({ a: 'b', 'content-type': 'application/msgpack' })
      expect(plain(decodeValue(packed as Uint8Array, false, headers))).toEqual(plain(value))
    }),
    { numRuns: 200 },
  )
})

test('objects that come out have no prototype', () => {
  const { value, headers } = encodeValue({ ['__proto__x']: 1, constructor: 2 }, null)
  const decoded = decodeValue(value as Uint8Array, false, headers) as object
  expect([Object.getPrototypeOf(decoded), Object.keys(decoded)]).toEqual([null, ['__proto__x', 'constructor']])
})

test.each([[undefined], [() => 0], [Symbol('x')]])('%s cannot be published', (value) => {
  expect(() => encodeValue(value, null)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

test('bytes that are not what the record says are a bad record', () => {
  const bad = expect.objectContaining({ code: 'BAD_RECORD' })
  expect(() => decodeText(new Uint8Array([0xff]))).toThrow(bad)
  expect(() => decodeValue(new Uint8Array([0xc1]), false, { 'content-type': 'application/msgpack' })).toThrow(bad)
})
