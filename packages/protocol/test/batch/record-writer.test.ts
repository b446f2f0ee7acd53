import { decodeMsgpack, recordBytesBound, writeRecord } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyRecord, isSame, LONG_FACTOR } from '../arbitraries.js'

describe('writeRecord', () => {
  test('writes msgpack that a general decoder reads, within the bound it announced', () => {
    fc.assert(
      fc.property(anyRecord, (record) => {
        const bound = recordBytesBound(record)
        const target = new Uint8Array(bound + 8).fill(0xaa)
        const end = writeRecord(target, 0, record)
        expect(end).toBeLessThanOrEqual(bound)
        expect(Array.from(target.subarray(bound))).toEqual(new Array(8).fill(0xaa))
        const headers = record.headers === null ? null : new Map(Object.entries(record.headers))
        const [timestampDeltaMs, key, value, decodedHeaders] = decodeMsgpack(target.subarray(0, end)) as unknown[]
        expect(timestampDeltaMs).toBe(record.timestampDeltaMs === 0 ? 0 : record.timestampDeltaMs)
        expect(isSame(key, record.key)).toBe(true)
        expect(isSame(value, record.value)).toBe(true)
        const entries = headers === null ? null : [...headers]
        const decodedEntries = decodedHeaders === null ? null : [...(decodedHeaders as Map<string, unknown>)]
        expect(decodedEntries?.length).toBe(entries?.length)
        entries?.forEach(([name, header], i) => {
          expect([decodedEntries![i]![0], isSame(decodedEntries![i]![1], header)]).toEqual([name, true])
        })
      }),
      { numRuns: 400 * LONG_FACTOR },
    )
  })

  test('text of every length around the steps of its tag keeps its bytes', () => {
    for (const unit of ['x', 'é', '€', '😀']) {
      for (const length of [
        0, 1, 7, 8, 15, 16, 31, 32, 48, 49, 63, 64, 127, 128, 255, 256, 1023, 1025, 21_845, 32_768, 65_535, 65_536,
      ]) {
        const record = { timestampDeltaMs: 0, key: null, value: unit.repeat(length), headers: null }
        const target = new Uint8Array(recordBytesBound(record))
        const end = writeRecord(target, 0, record)
        expect((decodeMsgpack(target.subarray(0, end)) as unknown[])[2] === record.value).toBe(true)
      }
    }
  })

  test('more than 64 headers are refused', () => {
    const headers = Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`h${i}`, '']))
    const record = { timestampDeltaMs: 0, key: null, value: '', headers }
    expect(() => writeRecord(new Uint8Array(recordBytesBound(record)), 0, record)).toThrow(/65 headers; at most 64/)
  })
})
