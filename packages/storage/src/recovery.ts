import { type Crc32, GomqError, HEADER_BYTES, isHeaderIntact, type Offset, syncedOffsetOf } from '@gomq/protocol'
import type { Checkpoint } from './checkpoint.js'
import { type FileHandle, type FileSystem, readFile } from './file-system.js'
import { SegmentIndex } from './format/segment-index.js'
import { baseOffsetFromName, corruptAt, indexName, Segment, scanSegment, segmentName } from './segment.js'

/** Left behind when a sync failed: the page cache may hold what the disk does not. */
export const SYNC_FAILED_MARKER = 'sync-failed'

/** Bytes of an index file that surely hold its summary. */
const SUMMARY_BYTES_MAX: number = 64 * 1024
const COPY_CHUNK_BYTES: number = 4 * 1024 * 1024

/**
 * Opens the segments of a log, oldest first; the last one is the active one. Sealed ones are taken at their index's word; the active
 * one is read and verified as a whole, its torn tail cut, and what was accepted is synced before anybody sees it.
 *
 * @throws GomqError CORRUPT_LOG  naming file, byte and offset
 */
export async function recoverSegments(
  fs: FileSystem,
  directory: string,
  checkpoint: Checkpoint | undefined,
  crc32: Crc32,
): Promise<Segment[]> {
  const folder = `${directory}/log`
  await fs.makeDirectory(folder)
  const bases = (await fs.list(folder))
    .map(baseOffsetFromName)
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b)
  const segments: Segment[] = []
  for (const [i, base] of bases.entries()) {
    const next = bases[i + 1]
    segments.push(
      next === undefined
        ? await openActive(fs, folder, directory, base, crc32)
        : await openSealed(fs, folder, base, next, crc32),
    )
  }
  if (segments.length === 0) segments.push(await createSegment(fs, folder, 0 as Offset))
  const end = segments.at(-1)!.endOffset
  if (checkpoint !== undefined && end < checkpoint.syncedOffset) {
    throw new GomqError(
      'CORRUPT_LOG',
      `the log in ${folder} ends at offset ${end}, and its checkpoint says that it was complete up to ${checkpoint.syncedOffset}; something was lost or an old copy was put back; restore it from a backup, or, to accept the loss, remove ${directory}/checkpoint`,
    )
  }
  return segments
}

/** Creates an empty segment that survives a crash. */
export async function createSegment(fs: FileSystem, folder: string, baseOffset: Offset): Promise<Segment> {
  const path = `${folder}/${segmentName(baseOffset)}`
  const file = await fs.open(path, 'create')
  await file.sync()
  await fs.syncDirectory(folder)
  return new Segment(path, file, new SegmentIndex(baseOffset), undefined)
}

async function openSealed(fs: FileSystem, folder: string, base: Offset, next: Offset, crc32: Crc32): Promise<Segment> {
  const path = `${folder}/${segmentName(base)}`
  const file = await fs.open(path, 'read')
  const fileBytes = await file.sizeBytes()
  const head = await readHead(fs, `${folder}/${indexName(base)}`)
  const stored = head && SegmentIndex.decodeSummary(head, crc32)
  if (
    stored !== undefined &&
    stored.summary.baseOffset === base &&
    stored.summary.endOffset === next &&
    stored.summary.bytes === fileBytes
  ) {
    return new Segment(path, file, undefined, stored.summary)
  }
  const scan = await scanSegment(file, base, crc32)
  if (scan.goodBytes < scan.fileBytes || scan.index.endOffset !== next)
    throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
  return new Segment(path, file, scan.index, undefined)
}

async function openActive(
  fs: FileSystem,
  folder: string,
  directory: string,
  base: Offset,
  crc32: Crc32,
): Promise<Segment> {
  const path = `${folder}/${segmentName(base)}`
  let file = await fs.open(path, 'write')
  const scan = await scanSegment(file, base, crc32)
  if (scan.goodBytes < scan.fileBytes) {
    if (await wasSyncedBehind(file, scan.goodBytes, scan.fileBytes, scan.index.endOffset, crc32))
      throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
    await file.truncate(scan.goodBytes)
  }
  const marker = `${directory}/${SYNC_FAILED_MARKER}`
  if ((await readFile(fs, marker)) !== undefined) {
    file = await rewrite(fs, folder, path, file, scan.goodBytes)
    await fs.remove(marker)
    await fs.syncDirectory(directory)
  }
  await file.sync()
  await fs.syncDirectory(folder)
  return new Segment(path, file, scan.index, undefined)
}

/**
 * Whether some batch behind `position` was written after everything up to beyond `endOffset` had been synced: then what is missing
 * is damage and not the torn tail of one unsynced round.
 */
async function wasSyncedBehind(
  file: FileHandle,
  position: number,
  fileBytes: number,
  endOffset: Offset,
  crc32: Crc32,
): Promise<boolean> {
  for (let at = position; at < fileBytes; at += COPY_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(fileBytes - at, COPY_CHUNK_BYTES + HEADER_BYTES))
    await file.read(chunk, at)
    for (let i = chunk.indexOf(0x47); i >= 0; i = chunk.indexOf(0x47, i + 1)) {
      const bytes = chunk.subarray(i)
      if (isHeaderIntact(bytes, crc32) && syncedOffsetOf(bytes) > endOffset) return true
    }
  }
  return false
}

/** Writes the good bytes into a new file: those in the page cache may never have reached the disk although a later sync succeeds. */
async function rewrite(
  fs: FileSystem,
  folder: string,
  path: string,
  old: FileHandle,
  bytes: number,
): Promise<FileHandle> {
  const temporary = `${path}.tmp`
  const file = await fs.open(temporary, 'create')
  for (let at = 0; at < bytes; at += COPY_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(COPY_CHUNK_BYTES, bytes - at))
    await old.read(chunk, at)
    await file.writev([chunk], at)
  }
  await file.sync()
  await old.close()
  await fs.rename(temporary, path)
  await fs.syncDirectory(folder)
  return file
}

async function readHead(fs: FileSystem, path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await fs.open(path, 'read')
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const bytes = new Uint8Array(Math.min(SUMMARY_BYTES_MAX, await file.sizeBytes()))
    return bytes.subarray(0, await file.read(bytes, 0))
  } finally {
    await file.close()
  }
}
