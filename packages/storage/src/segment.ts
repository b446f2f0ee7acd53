import {
  batchBytesOf,
  type Crc32,
  GomqError,
  HEADER_BYTES,
  isBatchIntact,
  isHeaderIntact,
  type Offset,
} from '@gomq/protocol'
import type { FileHandle } from './file-system.js'
import { SegmentIndex, type SegmentSummary } from './format/segment-index.js'

/** Bytes read at once when a segment is scanned. */
const SCAN_CHUNK_BYTES: number = 4 * 1024 * 1024

/** Name of the segment file that begins at `baseOffset`. */
export function segmentName(baseOffset: Offset): string {
  return `${String(baseOffset).padStart(20, '0')}.log`
}

/** Name of its index file. */
export function indexName(baseOffset: Offset): string {
  return `${String(baseOffset).padStart(20, '0')}.index`
}

/** Base offset in a segment's file name; undefined for other files. */
export function baseOffsetFromName(name: string): Offset | undefined {
  const match = /^(\d{20})\.log$/.exec(name)
  return match === null ? undefined : (Number(match[1]) as Offset)
}

/** One file of the log: whole batches, one behind the other. */
export class Segment {
  readonly baseOffset: Offset
  readonly path: string
  readonly file: FileHandle
  /** Loaded index; undefined for a sealed segment whose index is on disk only. */
  index: SegmentIndex | undefined
  #summary: SegmentSummary | undefined

  constructor(path: string, file: FileHandle, index: SegmentIndex | undefined, summary: SegmentSummary | undefined) {
    this.path = path
    this.file = file
    this.index = index
    this.#summary = summary
    this.baseOffset = (index ?? summary)!.baseOffset
  }

  /** What is known without loading the index. */
  get summary(): SegmentSummary {
    return this.index?.summary ?? this.#summary!
  }

  get endOffset(): Offset {
    return this.index?.endOffset ?? this.#summary!.endOffset
  }

  /** Gives the memory of the index back; it is loaded again when it is needed. */
  unload(): void {
    this.#summary = this.summary
    this.index = undefined
  }
}

/** What a scan of a segment found. */
export interface SegmentScan {
  readonly index: SegmentIndex
  /** Where the first bytes are that are no intact batch; the file's size if there are none. */
  readonly goodBytes: number
  readonly fileBytes: number
}

/** Reads a segment from its start and indexes every intact batch, in order, up to the first that is not. */
export async function scanSegment(
  file: FileHandle,
  baseOffset: Offset,
  crc32: Crc32,
  visit?: (batch: Uint8Array) => void,
): Promise<SegmentScan> {
  const fileBytes = await file.sizeBytes()
  const index = new SegmentIndex(baseOffset)
  let at = 0
  let chunk: Uint8Array = new Uint8Array(0)
  let chunkAt = 0
  while (at < fileBytes) {
    let bytes = chunk.subarray(at - chunkAt)
    const needed = bytes.byteLength >= HEADER_BYTES ? Math.max(HEADER_BYTES, batchBytesOf(bytes)) : HEADER_BYTES
    if (bytes.byteLength < needed && chunkAt + chunk.byteLength < fileBytes) {
      if (needed > HEADER_BYTES && !isHeaderIntact(bytes, crc32)) break
      chunk = new Uint8Array(Math.min(fileBytes - at, Math.max(SCAN_CHUNK_BYTES, needed)))
      chunkAt = at
      chunk = chunk.subarray(0, await file.read(chunk, at))
      bytes = chunk
      if (
        bytes.byteLength >= HEADER_BYTES &&
        batchBytesOf(bytes) > bytes.byteLength &&
        isHeaderIntact(bytes, crc32) &&
        at + bytes.byteLength < fileBytes
      )
        continue
    }
    if (bytes.byteLength < HEADER_BYTES) break
    const batch = bytes.subarray(0, batchBytesOf(bytes))
    if (!isBatchIntact(batch, crc32) || !follows(index, batch)) break
    index.add(batch)
    visit?.(batch)
    at += batch.byteLength
  }
  return { index, goodBytes: at, fileBytes }
}

function follows(index: SegmentIndex, batch: Uint8Array): boolean {
  const base = Number(new DataView(batch.buffer, batch.byteOffset).getBigUint64(16, true))
  return base === index.endOffset
}

/** Loads the index of a sealed segment from its file, or rebuilds it from the segment when the file is missing or damaged. */
export async function loadIndex(
  segment: Segment,
  indexBytes: Uint8Array | undefined,
  crc32: Crc32,
): Promise<SegmentIndex> {
  const stored = indexBytes && SegmentIndex.decode(indexBytes, crc32)
  if (stored !== undefined && stored.bytes === segment.summary.bytes) return stored
  const scan = await scanSegment(segment.file, segment.baseOffset, crc32)
  if (scan.goodBytes < segment.summary.bytes) throw corruptAt(segment.path, scan.goodBytes, scan.index.endOffset)
  return scan.index
}

/** The error for a damaged batch that was once synced. */
export function corruptAt(path: string, position: number, offset: Offset): GomqError {
  return new GomqError(
    'CORRUPT_LOG',
    `the log is damaged: ${path}, at byte ${position}, where offset ${offset} should begin, holds no intact batch, and what follows shows that it was once complete; restore the data directory from a backup, or, to give up everything from offset ${offset} on, move this file and the later ones away`,
  )
}
