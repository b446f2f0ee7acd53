import {
  appendTimeMsOf,
  baseOffsetOf,
  batchBytesOf,
  type Crc32,
  epochOf,
  HEADER_BYTES,
  isBatchIntact,
  isHeaderIntact,
  nextOffsetOf,
  type Offset,
  syncedOffsetOf,
} from '@gomq/protocol'
import type { SegmentIndex } from '../format/segment-index.js'
import { SCAN_CHUNK_BYTES } from '../limits.js'
import { wasSyncedBehind } from '../segment-scan.js'
import type { FileWindow } from './file-window.js'

/** Bytes of a record and its entry in the batch's table, at least. */
const RECORD_BYTES_MIN = 9
/** First byte of a batch, "G". */
const MAGIC_BYTE = 0x47

/** What stands in a segment, piece by piece. Positions are half-open ranges of its bytes. */
export type SegmentPiece =
  | { readonly kind: 'batch'; readonly position: number; readonly batch: Uint8Array }
  | {
      /** Bytes that hold no batch, where batches were; `toOffset` is undefined if nothing tells where they ended. */
      readonly kind: 'damage'
      readonly position: number
      readonly endPosition: number
      readonly fromOffset: Offset
      readonly toOffset: Offset | undefined
      /** Whether the end was found by looking for the next batch, and neither an index nor a header names it. */
      readonly isSearched: boolean
    }
  /** What was never acknowledged and the next start cuts: a torn round, or zeros that were written ahead. */
  | { readonly kind: 'tail'; readonly position: number; readonly endPosition: number; readonly offset: Offset }
  /** An intact batch, which comes as the next piece, and which a broker would not have written here. */
  | { readonly kind: 'disorder'; readonly position: number; readonly offset: Offset; readonly what: string }

/** What is known of a segment before it is walked. */
export interface SegmentWalk {
  readonly window: FileWindow
  /** First byte of the first batch. */
  readonly start: number
  readonly baseOffset: Offset
  /** Where its last batch ends, for all but the active one. */
  readonly endOffset: Offset | undefined
  /** Whether offsets may be missing between its batches, as the cleaner leaves them. */
  readonly mayHaveGaps: boolean
  /** Its index, if there is an intact one: says where batches are behind a damaged one. */
  readonly index: SegmentIndex | undefined
  /** For the active segment: what the checkpoint knows to be synced. */
  readonly syncedOffset: Offset
  readonly crc32: Crc32
}

/**
 * Walks a segment from its first byte to its last. Behind a damaged batch it goes on at the next one that is certain: where the index says,
 * where the length of the damaged one says, or else at the first intact batch whose numbers fit the place.
 *
 *     | batch 0..9 | batch 10..19 | xxxx damaged xxxx | batch 31..40 | torn
 *                                 fromOffset 20         toOffset 31    tail
 *
 * Bytes of a batch in a message are not taken for one: where the index or the damaged batch's own length tells where it ends, nothing inside
 * is looked at; else its numbers would have to fit the place, and the log to go on right behind it.
 */
export async function* walkSegment(walk: SegmentWalk): AsyncGenerator<SegmentPiece, void> {
  const { window, endOffset } = walk
  const { fileBytes } = window
  const order = { epoch: 0, timeMs: 0 }
  let at = walk.start
  let expected = walk.baseOffset
  while (at < fileBytes) {
    const batch = await intactBatchAt(walk, at)
    if (batch !== undefined && isNext(walk, batch, expected)) {
      const what = disorderOf(batch, order)
      if (what !== undefined) yield { kind: 'disorder', position: at, offset: baseOffsetOf(batch), what }
      order.epoch = Math.max(order.epoch, epochOf(batch))
      order.timeMs = Math.max(order.timeMs, appendTimeMsOf(batch))
      yield { kind: 'batch', position: at, batch }
      at += batch.byteLength
      expected = nextOffsetOf(batch)
      continue
    }
    if (endOffset === undefined && !(await isDamage(walk, at, expected))) {
      yield { kind: 'tail', position: at, endPosition: fileBytes, offset: expected }
      return
    }
    const next = await nextBatchBehind(walk, at, expected)
    const toOffset = next?.offset ?? endOffset
    yield {
      kind: 'damage',
      position: at,
      endPosition: next?.position ?? fileBytes,
      fromOffset: expected,
      toOffset,
      isSearched: next?.isSearched === true,
    }
    if (next === undefined) return
    at = next.position
    expected = next.offset
  }
  if (endOffset !== undefined && expected !== endOffset && !walk.mayHaveGaps)
    yield {
      kind: 'damage',
      position: fileBytes,
      endPosition: fileBytes,
      fromOffset: expected,
      toOffset: endOffset,
      isSearched: false,
    }
}

/** The intact batch at a position, whatever its offset; undefined if there is none. @internal */
export async function intactBatchAt(
  { window, crc32 }: Pick<SegmentWalk, 'window' | 'crc32'>,
  at: number,
): Promise<Uint8Array | undefined> {
  const header = await window.view(at, HEADER_BYTES)
  // Only an intact header is believed about the length, before it decides how much is allocated.
  if (!isHeaderIntact(header, crc32) || batchBytesOf(header) > window.fileBytes - at) return undefined
  const batch = (await window.view(at, batchBytesOf(header))).subarray(0, batchBytesOf(header))
  return isBatchIntact(batch, crc32) ? batch : undefined
}

function isNext({ mayHaveGaps, endOffset }: SegmentWalk, batch: Uint8Array, expected: Offset): boolean {
  const base = baseOffsetOf(batch)
  if (endOffset !== undefined && nextOffsetOf(batch) > endOffset) return false
  return mayHaveGaps ? base >= expected : base === expected
}

function disorderOf(batch: Uint8Array, { epoch, timeMs }: { epoch: number; timeMs: number }): string | undefined {
  if (epochOf(batch) < epoch) return `its epoch is ${epochOf(batch)} behind one of ${epoch}`
  if (appendTimeMsOf(batch) < timeMs) return `it was appended at ${appendTimeMsOf(batch)}, behind one of ${timeMs}`
  return undefined
}

/** Whether what the active segment holds at `at` was once whole: a later batch proves it, or the checkpoint. */
async function isDamage({ window, syncedOffset, crc32 }: SegmentWalk, at: number, expected: Offset): Promise<boolean> {
  return expected < syncedOffset || (await wasSyncedBehind(window.file, at, expected, crc32))
}

interface NextBatch {
  readonly position: number
  readonly offset: Offset
  readonly isSearched: boolean
}

async function nextBatchBehind(walk: SegmentWalk, at: number, expected: Offset): Promise<NextBatch | undefined> {
  const known = (await nextByIndex(walk, at, expected)) ?? (await nextByLength(walk, at, expected))
  return known ?? nextBySearch(walk, at, expected)
}

/** The next batch that the index names and that is there. */
async function nextByIndex(walk: SegmentWalk, at: number, expected: Offset): Promise<NextBatch | undefined> {
  const { index } = walk
  if (index === undefined) return undefined
  for (let entry = index.entryFor(expected); entry < index.count; entry++) {
    const position = index.positionAt(entry)
    const offset = index.offsetAt(entry)
    if (position <= at || !isBehind(walk, offset, expected)) continue
    const batch = await intactBatchAt(walk, position)
    if (batch !== undefined && baseOffsetOf(batch) === offset) return { position, offset, isSearched: false }
  }
  return undefined
}

/** The batch behind the one at `at`, if the length in that one's header leads to one. */
async function nextByLength(walk: SegmentWalk, at: number, expected: Offset): Promise<NextBatch | undefined> {
  const { window } = walk
  const header = await window.view(at, HEADER_BYTES)
  if (header.byteLength < HEADER_BYTES) return undefined
  const position = at + batchBytesOf(header)
  if (position <= at || position >= window.fileBytes) return undefined
  const batch = await intactBatchAt(walk, position)
  if (batch === undefined || !fits(walk, batch, position - at, expected)) return undefined
  return { position, offset: baseOffsetOf(batch), isSearched: false }
}

async function nextBySearch(walk: SegmentWalk, start: number, expected: Offset): Promise<NextBatch | undefined> {
  const { window, crc32 } = walk
  const here = await intactBatchAt(walk, start)
  if (here !== undefined && baseOffsetOf(here) > expected && isWithin(walk, here))
    return { position: start, offset: baseOffsetOf(here), isSearched: false }
  for (let at = start + 1; at < window.fileBytes; ) {
    const chunk = await window.view(at, Math.min(SCAN_CHUNK_BYTES, window.fileBytes - at))
    for (let i = chunk.indexOf(MAGIC_BYTE); i >= 0; i = chunk.indexOf(MAGIC_BYTE, i + 1)) {
      const head = i + HEADER_BYTES <= chunk.byteLength ? chunk.subarray(i) : await window.view(at + i, HEADER_BYTES)
      if (!isHeaderIntact(head, crc32)) continue
      const batch = await intactBatchAt(walk, at + i)
      if (batch === undefined || !fits(walk, batch, at + i - start, expected)) continue
      if (await isFollowed(walk, at + i + batch.byteLength, nextOffsetOf(batch)))
        return { position: at + i, offset: baseOffsetOf(batch), isSearched: true }
    }
    at += chunk.byteLength
  }
  return undefined
}

/**
 * Whether the batch that ends here stands among others, or at the end. One that was only found by looking and stands alone may be the content
 * of a message in the damaged batch: better to lose one batch between two damages than to make up a message.
 */
async function isFollowed(walk: SegmentWalk, at: number, nextOffset: Offset): Promise<boolean> {
  if (at === walk.window.fileBytes) return true
  const rest = await walk.window.view(at, HEADER_BYTES)
  if (rest.subarray(0, HEADER_BYTES).every((byte) => byte === 0)) return true
  const batch = await intactBatchAt(walk, at)
  return batch !== undefined && isNext(walk, batch, nextOffset)
}

/** Whether a batch `bytes` behind the damage may be the log's: the records in between have room there, and its numbers agree. */
function fits(walk: SegmentWalk, batch: Uint8Array, bytes: number, expected: Offset): boolean {
  const base = baseOffsetOf(batch)
  const hasRoom = walk.mayHaveGaps || base - expected <= bytes / RECORD_BYTES_MIN
  return isBehind(walk, base, expected) && hasRoom && syncedOffsetOf(batch) <= base && isWithin(walk, batch)
}

/** A damaged batch had at least one offset; what a damaged head stood before may begin at once. */
function isBehind({ mayHaveGaps }: SegmentWalk, offset: Offset, expected: Offset): boolean {
  return mayHaveGaps ? offset >= expected : offset > expected
}

function isWithin({ endOffset }: SegmentWalk, batch: Uint8Array): boolean {
  return endOffset === undefined || nextOffsetOf(batch) <= endOffset
}
