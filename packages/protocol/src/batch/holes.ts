import { readU32, writeU32 } from '../bytes.js'
import type { Crc32 } from '../crc32.js'
import { invariant } from '../errors.js'
import { Attribute, attributesOf, recordCountOf, recordsStartOf, sealWithHoles, tableStartOf } from './header.js'

/**
 * A hole is the place of a record that the cleaner removed: it has an entry in the table and no bytes. So the index of a record stays what it
 * was, and base offset + index stays its offset (docs/decisions/0019).
 *
 *     before  table 10 25 40    records 0, 1, 2
 *     after   table 10 10 25    records 0, hole, 2
 */

/** Whether some records of a stored batch may be holes. Without it none is, and nobody needs to look. */
export function hasHoles(batch: Uint8Array): boolean {
  return (attributesOf(batch) & Attribute.SPARSE) !== 0
}

/** Whether the record at `index`, from 0 to, not including, the record count, is a hole. */
export function isHole(batch: Uint8Array, index: number): boolean {
  if (!hasHoles(batch)) return false
  const table = tableStartOf(batch)
  return endAt(batch, table, index) === endAt(batch, table, index - 1)
}

/**
 * The records from `from` to, not including, `to` that are there, as ascending half-open pairs, which `partOfBatch` takes; empty if all are
 * holes.
 *
 *     records 0, hole, 2, 3 -> [0, 1, 2, 4]
 */
export function presentRanges(batch: Uint8Array, from: number = 0, to: number = recordCountOf(batch)): number[] {
  if (from >= to) return []
  if (!hasHoles(batch)) return [from, to]
  const ranges: number[] = []
  const table = tableStartOf(batch)
  let before = endAt(batch, table, from - 1)
  for (let index = from; index < to; index++) {
    const end = endAt(batch, table, index)
    if (end !== before) {
      if (ranges.at(-1) === index) ranges[ranges.length - 1] = index + 1
      else ranges.push(index, index + 1)
    }
    before = end
  }
  return ranges
}

/** Records of the batch that are there: its record count without the holes. */
export function presentCountOf(batch: Uint8Array): number {
  if (!hasHoles(batch)) return recordCountOf(batch)
  const ranges = presentRanges(batch)
  let count = 0
  for (let i = 0; i < ranges.length; i += 2) count += ranges[i + 1]! - ranges[i]!
  return count
}

/**
 * The batch with holes where `isKept` says no: base offset, last delta, count, epoch, times, producer fields and synced offset stay, both
 * checksums are made anew. Holes stay holes and are not asked about. The batch itself if every record is kept.
 *
 * @param batch   a whole, intact batch of a log, not compressed; it is not changed
 * @param isKept  about the record at an index; of at least one it says yes: a batch without records is no batch
 */
export function withHoles(batch: Uint8Array, isKept: (index: number) => boolean, crc32: Crc32): Uint8Array {
  invariant(
    (attributesOf(batch) & Attribute.COMPRESSION_MASK) === 0,
    'the records of a compressed batch have no bytes of their own to remove',
  )
  const present = presentRanges(batch)
  const kept: number[] = []
  let removed = 0
  for (let i = 0; i < present.length; i += 2)
    for (let index = present[i]!; index < present[i + 1]!; index++) {
      if (isKept(index)) kept.push(index)
      else removed++
    }
  if (removed === 0) return batch
  invariant(kept.length > 0, 'a batch of which no record is kept is dropped as a whole')
  const count = recordCountOf(batch)
  const table = tableStartOf(batch)
  const records = recordsStartOf(batch)
  const bytes = kept.reduce((sum, index) => sum + endAt(batch, table, index) - endAt(batch, table, index - 1), records)
  const result = new Uint8Array(bytes)
  result.set(batch.subarray(0, table))
  let end = 0
  let next = 0
  for (let index = 0; index < count; index++) {
    if (kept[next] === index) {
      const start = endAt(batch, table, index - 1)
      const stop = endAt(batch, table, index)
      result.set(batch.subarray(records + start, records + stop), records + end)
      end += stop - start
      next++
    }
    writeU32(result, table + 4 * index, end)
  }
  sealWithHoles(result, crc32)
  return result
}

function endAt(batch: Uint8Array, table: number, index: number): number {
  return index < 0 ? 0 : readU32(batch, table + 4 * index)
}
