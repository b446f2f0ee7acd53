import type { Crc32 } from '@gomq/protocol'
import { readCleanedHead, scanCleanedSegment } from './cleaned-segment-file.js'
import { type FileHandle, type FileSystem, readFile, replaceFile } from './file-system.js'
import { SegmentIndex } from './format/segment-index.js'
import { corruptAt, indexName, type Segment } from './segment.js'
import { scanSegment } from './segment-scan.js'

/** Writes the index of a sealed segment. When it fails, nothing is lost: the index is rebuilt. */
export function writeIndex(fs: FileSystem, folder: string, index: SegmentIndex, crc32: Crc32): Promise<void> {
  const name = indexName(index.baseOffset, index.generation)
  return replaceFile(fs, folder, name, (file) => file.writev(index.encode(crc32), 0))
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
  const bytes = await readFile(fs, `${folder}/${indexName(baseOffset, generation)}`)
  const stored = bytes && SegmentIndex.decode(bytes, crc32)
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

async function rebuildIndex(segment: Segment, file: FileHandle, crc32: Crc32): Promise<SegmentIndex> {
  const { path, baseOffset, generation, summary } = segment
  if (generation > 0) return scanCleanedSegment(file, path, await readCleanedHead(file, path, segment, crc32), crc32)
  const scan = await scanSegment(file, baseOffset, crc32)
  if (scan.goodBytes < summary.bytes) throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
  return scan.index
}
