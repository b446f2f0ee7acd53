import { readU32, writeU32 } from '../bytes.js'
import { invariant } from '../errors.js'
import { clearSparse, recordCountOf, recordsStartOf, tableStartOf } from './header.js'

/**
 * Some records of a batch, as DELIVER carries them when a subscription is to get only a part.
 *
 * `header` is the batch's header and topic as they are (base offset, epoch, times, QoS), except that it is never sparse: the part leaves the
 * holes out; its checksums say nothing. `ranges` are half-open pairs of record positions; `payload` is a table of record ends, as in a batch but only for these records, followed by the records.
 */
export interface BatchPart {
  readonly header: Uint8Array
  readonly ranges: number[]
  readonly payload: Uint8Array
}

/**
 * Takes the records in `ranges` out of a batch. Header and payload are copies, so that a small part does not hold a large batch in memory.
 *
 *     partOfBatch(batch, [0, 2, 5, 6])   // records 0, 1 and 5
 *
 * @param ranges  ascending half-open pairs within [0, recordCount), not empty; holes in them become records of no bytes, which nobody can
 *                decode: `presentRanges` leaves them out
 */
export function partOfBatch(batch: Uint8Array, ranges: number[]): BatchPart {
  const table = tableStartOf(batch)
  const records = recordsStartOf(batch)
  const recordCount = recordCountOf(batch)
  let count = 0
  let bytes = 0
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!
    const to = ranges[i + 1]!
    invariant(
      from >= 0 && from < to && to <= recordCount,
      `range ${from} to ${to} is outside the ${recordCount} records of the batch`,
    )
    count += to - from
    bytes += readU32(batch, table + 4 * (to - 1)) - startOf(batch, table, from)
  }
  const payload = new Uint8Array(4 * count + bytes)
  let tableAt = 0
  let end = 0
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!
    const to = ranges[i + 1]!
    const start = startOf(batch, table, from)
    const stop = readU32(batch, table + 4 * (to - 1))
    payload.set(batch.subarray(records + start, records + stop), 4 * count + end)
    for (let record = from; record < to; record++, tableAt += 4) {
      writeU32(payload, tableAt, end + readU32(batch, table + 4 * record) - start)
    }
    end += stop - start
  }
  const header = new Uint8Array(batch.subarray(0, table))
  clearSparse(header)
  return { header, ranges, payload }
}

/** Bytes of record `index`, as counted by credit; 0 for a hole. */
export function recordBytesOf(batch: Uint8Array, index: number): number {
  const table = tableStartOf(batch)
  return readU32(batch, table + 4 * index) - startOf(batch, table, index)
}

/** Bytes of the records from `from` to, not including, `to`. */
export function recordsBytesOf(batch: Uint8Array, from: number, to: number): number {
  if (from >= to) return 0
  const table = tableStartOf(batch)
  return readU32(batch, table + 4 * (to - 1)) - startOf(batch, table, from)
}

/**
 * How many records from `from` on fit into a credit of `messages` and `bytes`: at least one, so that a reader always advances.
 * Record ends ascend, so the bound is found by bisection.
 */
export function recordsWithin(batch: Uint8Array, from: number, messages: number, bytes: number): number {
  const table = tableStartOf(batch)
  const start = startOf(batch, table, from)
  const last = Math.min(recordCountOf(batch), from + Math.max(1, messages))
  if (readU32(batch, table + 4 * (last - 1)) - start <= bytes) return last - from
  let low = from + 1
  let high = last
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if (readU32(batch, table + 4 * (middle - 1)) - start <= bytes) low = middle
    else high = middle - 1
  }
  return low - from
}

function startOf(batch: Uint8Array, table: number, index: number): number {
  return index === 0 ? 0 : readU32(batch, table + 4 * (index - 1))
}
