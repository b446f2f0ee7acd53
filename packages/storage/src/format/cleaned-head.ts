import type { Crc32, Epoch, Offset } from '@gomq/protocol'
import { type EpochStart, epochStartsOf, flatEpochStarts } from './epoch-start.js'
import { encodeSealed, type SealedRecord, valueOfVersion } from './sealed-record.js'

/** First bytes of a cleaned segment, "GMQK". */
export const CLEANED_MAGIC = 0x4b514d47
const VERSION = 1

/**
 * What a cleaned segment says about itself before its first batch. Offsets in it have gaps, so that nothing but the counts here tells a whole
 * file from one that lost its end or a part.
 */
export interface CleanedHead {
  /** First offset that the segment covers, whether a batch is left there or not. */
  readonly baseOffset: Offset
  /** Offset after the last one that it covers: the next segment's base. */
  readonly endOffset: Offset
  /** 1 or more: it replaces every segment of a lower one in its range. */
  readonly generation: number
  /** Batches in the file. */
  readonly batches: number
  /** Bytes of the whole file, this head too. */
  readonly bytes: number
  /** Append time of the first batch, ms since 1970; 0 without batches. */
  readonly firstTimeMs: number
  /** Append time of the last batch, ms since 1970; 0 without batches. */
  readonly lastTimeMs: number
  /** The epochs of the range, also those of which no batch is left; as in a segment's summary. */
  readonly epochStarts: readonly EpochStart[]
  /** Where the first batch begins: bytes kept for the head before the numbers in it were known. */
  readonly headBytes: number
}

/** Bytes to keep at the start of a file for a head with so many epochs, whatever its numbers turn out to be. */
export function cleanedHeadBytes(epochs: number, crc32: Crc32): number {
  const number = Number.MAX_SAFE_INTEGER
  const start = { epoch: number as Epoch, startOffset: number as Offset }
  return encode(
    {
      baseOffset: number as Offset,
      endOffset: number as Offset,
      generation: number,
      batches: number,
      bytes: number,
      firstTimeMs: number,
      lastTimeMs: number,
      epochStarts: Array.from({ length: epochs }, () => start),
      headBytes: number,
    },
    crc32,
  ).byteLength
}

/** The head as it stands at the start of the file: `head.headBytes` long, zeros behind the record. */
export function encodeCleanedHead(head: CleanedHead, crc32: Crc32): Uint8Array {
  const bytes = new Uint8Array(head.headBytes)
  bytes.set(encode(head, crc32))
  return bytes
}

/**
 * The head in an intact record.
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 */
export function decodeCleanedHead(record: SealedRecord): CleanedHead {
  const [baseOffset, endOffset, generation, batches, bytes, firstTimeMs, lastTimeMs, epochs, headBytes] =
    valueOfVersion(record, VERSION, 'a cleaned segment') as [
      Offset,
      Offset,
      number,
      number,
      number,
      number,
      number,
      number[],
      number,
    ]
  const epochStarts = epochStartsOf(epochs)
  return { baseOffset, endOffset, generation, batches, bytes, firstTimeMs, lastTimeMs, epochStarts, headBytes }
}

function encode(head: CleanedHead, crc32: Crc32): Uint8Array {
  const { baseOffset, endOffset, generation, batches, bytes, firstTimeMs, lastTimeMs, headBytes } = head
  const epochs = flatEpochStarts(head.epochStarts)
  return encodeSealed(
    CLEANED_MAGIC,
    VERSION,
    [baseOffset, endOffset, generation, batches, bytes, firstTimeMs, lastTimeMs, epochs, headBytes],
    crc32,
  )
}
