import { decodeMsgpack, encodeMsgpack, GomqError } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'

describe('msgpack', () => {
  test('plain values come back; maps and objects come back as maps', () => {
    const value = [null, true, 0, -1, 1.5, 2 ** 40, 'é', { a: 1 }, new Map([['b', [2]]])]
    expect(decodeMsgpack(encodeMsgpack(value))).toEqual([
      null,
      true,
      0,
      -1,
      1.5,
      2 ** 40,
      'é',
      new Map([['a', 1]]),
      new Map([['b', [2]]]),
    ])
    expect(decodeMsgpack(encodeMsgpack(undefined))).toBe(null)
  })

  test('every integer from -300 to 70,000 and every bit length come back', () => {
    for (let i = -300; i <= 70_000; i++) if (decodeMsgpack(encodeMsgpack(i)) !== i) expect.fail(`${i}`)
    for (let bits = 0; bits <= 53; bits++)
      for (const value of [2 ** bits - 1, -(2 ** bits) + 1])
        expect(decodeMsgpack(encodeMsgpack(value))).toBe(value === 0 ? 0 : value)
  })

  test('bytes come back as views, in plain Uint8Arrays', () => {
    const packed = encodeMsgpack([new Uint8Array([1, 2, 3])])
    expect(packed.constructor).toBe(Uint8Array)
    const [bytes] = decodeMsgpack(packed) as [Uint8Array]
    expect(bytes.constructor).toBe(Uint8Array)
    expect(bytes.buffer).toBe(packed.buffer)
  })

  test('what was encoded is not overwritten by what is encoded later', () => {
    const first = encodeMsgpack('first')
    const copy = first.slice()
    for (let i = 0; i < 10_000; i++) encodeMsgpack(`later ${i}`)
    expect(first).toEqual(copy)
  })

  test('keys that mean something to JavaScript stay keys of the map', () => {
    const packed = new Uint8Array([0x81, 0xa9, ...new TextEncoder().encode('__proto__'), 0x81, 0xa1, 0x78, 1])
    const map = decodeMsgpack(packed) as Map<string, unknown>
    expect(map.get('__proto__')).toEqual(new Map([['x', 1]]))
    expect(({} as Record<string, unknown>)['x']).toBeUndefined()
  })

  test('malformed input is a GomqError', () => {
    for (const bytes of [[], [0xc1], [0x91], [0xc0, 0xc0], [0xd4, 0x72, 0x40]])
      expect(() => decodeMsgpack(new Uint8Array(bytes))).toThrow(GomqError)
  })
})

test('what the caller knows to be its own may have more elements than a frame', () => {
  const large = Array.from({ length: 100_001 }, (_, i) => i)
  const bytes = encodeMsgpack(large)
  expect(() => decodeMsgpack(bytes)).toThrow(/more than 100000 elements/)
  expect(decodeMsgpack(bytes, Number.POSITIVE_INFINITY)).toEqual(large)
})
