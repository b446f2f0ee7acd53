import { decodeMsgpack, MSGPACK_ELEMENTS_MAX } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { packJson } from '../../../src/node/http/json-value.js'

/** Maps of a decoded value as entries of objects, as JSON has them. */
function asJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(asJson)
  if (!(value instanceof Map)) return value
  return Object.fromEntries([...value].map(([name, entry]) => [name, asJson(entry)]))
}

describe('a value of JSON in msgpack', () => {
  test('is the same value when it is read again', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, stringUnit: 'binary' }), (value) => {
        const json = JSON.parse(JSON.stringify(value)) as unknown
        let packed: Uint8Array
        try {
          packed = packJson(json)
        } catch (error) {
          expect((error as Error).message).toContain('lone surrogate')
          return
        }
        expect(asJson(decodeMsgpack(packed))).toEqual(json)
      }),
    )
  })

  test('is nested 8 levels deep at most', () => {
    const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)])
    expect(asJson(decodeMsgpack(packJson(nested(8))))).toEqual(nested(8))
    expect(() => packJson(nested(9))).toThrow('nested deeper than 8')
  })

  test('has a bounded number of elements', () => {
    packJson(Array(MSGPACK_ELEMENTS_MAX).fill(0))
    expect(() => packJson(Array(MSGPACK_ELEMENTS_MAX + 1).fill(0))).toThrow('more than 100000 elements')
  })

  test('holds no lone surrogate, in names neither', () => {
    expect(() => packJson({ a: '\ud800' })).toThrow('lone surrogate')
    expect(() => packJson({ '\udc00': 1 })).toThrow('lone surrogate')
  })
})
