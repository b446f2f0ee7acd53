import { type Crc32, readU32 } from '@gomq/protocol'
import { readCleanedHead, scanCleanedSegment } from './cleaned-segment-file.js'
import { type FileHandle, type FileSystem, readFile, replaceFile } from './file-system.js'
import { INDEX_CRC_BYTES, SegmentIndex, type StoredSummary } from './format/segment-index.js'
import { INDEX_PIECE_BYTES, SUMMARY_BYTES_MAX, SUMMARY_BYTES_USUAL } from './limits.js'
import { corruptAt, indexName, type Segment } from './segment.js'
import { scanSegment } from './segment-scan.js'

/**
 * Writes the index of a sealed segment, piece by piece, so that others have their turns in between. When it fails, nothing is lost: the index is
 * rebuilt.
 */
export function writeIndex(fs: FileSystem, folder: string, index: SegmentIndex, crc32: Crc32): Promise<void> {
  const name = indexName(index.baseOffset, index.generation)
  return replaceFile(fs, folder, name, async (file) => {
    const { bodyPosition, body, headFor } = index.encode(crc32)
    let position = bodyPosition
    let crc = 0
    for (const piece of body) {
      await file.writev([piece], position)
      position += piece.byteLength
      crc = crc32(piece, crc)
    }
    await file.writev([headFor(crc)], 0)
  })
}

/** Loads the index of a sealed segment from its file, or rebuilds it from the segment when the file is missing, damaged or another's. */
export async function loadIndex(
  fs: FileSystem,
  folder: string,
  segment: Segment,
  file: FileHandle,
  crc32: Crc32,
): Promise<SegmentIndex> {
  const { baseOffset, generation, summary } = segment
  const stored = await readIndex(fs, `${folder}/${indexName(baseOffset, generation)}`, crc32)
  if (
    stored !== undefined &&
    stored.generation === generation &&
    stored.endOffset === summary.endOffset &&
    stored.bytes === summary.bytes
  )
    return stored
  const index = await rebuildIndex(segment, file, crc32)
  await writeIndex(fs, folder, index, crc32).catch(() => undefined)
  return index
}

/** What the index file at `path` says at its beginning; undefined if there is none, or a damaged one. */
export async function readSummary(fs: FileSystem, path: string, crc32: Crc32): Promise<StoredSummary | undefined> {
  for (const bytesMax of [SUMMARY_BYTES_USUAL, SUMMARY_BYTES_MAX]) {
    const beginning = await readFile(fs, path, bytesMax)
    const stored = beginning && SegmentIndex.decodeSummary(beginning, crc32)
    if (stored !== undefined || beginning === undefined || beginning.byteLength < bytesMax) return stored
  }
  return undefined
}

/**
 * The index in the file at `path`, read piece by piece, so that others have their turns in between; undefined if there is none, or a damaged
 * one.
 */
async function readIndex(fs: FileSystem, path: string, crc32: Crc32): Promise<SegmentIndex | undefined> {
  const head = await readSummary(fs, path, crc32)
  if (head === undefined) return undefined
  const file = await fs.open(path, 'read')
  try {
    const stored = new Uint8Array(INDEX_CRC_BYTES)
    await file.read(stored, head.summaryBytes)
    const bodyPosition = head.summaryBytes + INDEX_CRC_BYTES
    const body = new Uint8Array(Math.max(0, (await file.sizeBytes()) - bodyPosition))
    let crc = 0
    for (let at = 0; at < body.byteLength; at += INDEX_PIECE_BYTES) {
      const piece = body.subarray(at, at + INDEX_PIECE_BYTES)
      await file.read(piece, bodyPosition + at)
      crc = crc32(piece, crc)
    }
    return crc === readU32(stored, 0) ? SegmentIndex.fromBody(head, body) : undefined
  } finally {
    await file.close()
  }
}

async function rebuildIndex(segment: Segment, file: FileHandle, crc32: Crc32): Promise<SegmentIndex> {
  const { path, baseOffset, generation, summary } = segment
  if (generation > 0) return scanCleanedSegment(file, path, await readCleanedHead(file, path, segment, crc32), crc32)
  const scan = await scanSegment(file, baseOffset, crc32)
  if (scan.goodBytes < summary.bytes) throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
  return scan.index
}
