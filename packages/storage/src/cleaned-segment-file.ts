import { type Crc32, GomqError, type Offset, readU32 } from '@gomq/protocol'
import type { FileHandle } from './file-system.js'
import { CLEANED_MAGIC, type CleanedHead, decodeCleanedHead } from './format/cleaned-head.js'
import { readSealed, SEALED_HEAD_BYTES } from './format/sealed-record.js'
import type { SegmentIndex } from './format/segment-index.js'
import { scanSegment } from './segment-scan.js'

/**
 * Reads the head of a cleaned segment.
 *
 * @param expected  what the file's name says
 * @throws GomqError CORRUPT_LOG         it is damaged, cut short, or another file's
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote it
 */
export async function readCleanedHead(
  file: FileHandle,
  path: string,
  expected: { readonly baseOffset: Offset; readonly generation: number },
  crc32: Crc32,
): Promise<CleanedHead> {
  const fileBytes = await file.sizeBytes()
  const read = async (bytes: number) => {
    const into = new Uint8Array(Math.min(bytes, fileBytes))
    return into.subarray(0, await file.read(into, 0))
  }
  const start = await read(SEALED_HEAD_BYTES)
  if (start.byteLength === SEALED_HEAD_BYTES) {
    const record = readSealed(await read(SEALED_HEAD_BYTES + readU32(start, 12)), CLEANED_MAGIC, crc32)
    const head = record && decodeCleanedHead(record)
    if (head?.baseOffset === expected.baseOffset && head.generation === expected.generation) return head
  }
  throw corruptCleanedAt(path, 0, expected.baseOffset)
}

/**
 * Reads a cleaned segment as a whole and verifies that every batch it was written with is there.
 *
 * @throws GomqError CORRUPT_LOG  a batch is damaged, or something is missing or too much; names file, byte and offset
 */
export async function scanCleanedSegment(
  file: FileHandle,
  path: string,
  head: CleanedHead,
  crc32: Crc32,
): Promise<SegmentIndex> {
  const { index, goodBytes, fileBytes } = await scanSegment(file, head.baseOffset, crc32, head)
  if (goodBytes !== head.bytes || fileBytes !== head.bytes || index.count !== head.batches)
    throw corruptCleanedAt(path, Math.min(goodBytes, head.bytes), index.nextOffset)
  return index
}

/** The error for a cleaned segment that is not as it was written. It was synced as a whole before it got its name, so that no crash explains it. */
export function corruptCleanedAt(path: string, position: number, offset: Offset): GomqError {
  return new GomqError(
    'CORRUPT_LOG',
    `the log is damaged: ${path}, at byte ${position}, where offset ${offset} should begin, or a later one, is not as it was written: the file lost or changed something after it had been synced as a whole; restore the data directory from a backup`,
  )
}
