import { type Crc32, GomqError, type Offset } from '@gomq/protocol'
import type { Checkpoint } from './checkpoint.js'
import { type FileHandle, type FileSystem, readFile, replaceFile } from './file-system.js'
import { SegmentIndex } from './format/segment-index.js'
import { SCAN_CHUNK_BYTES, SUMMARY_BYTES_MAX } from './limits.js'
import { baseOffsetFromName, corruptAt, indexName, Segment, segmentName } from './segment.js'
import { scanSegment, wasSyncedBehind } from './segment-scan.js'
import { hasSyncMarker, putSyncMarker, removeSyncMarker } from './sync-marker.js'

/** Bytes at the end of the log that were never acknowledged and were cut. */
export interface TornTail {
  readonly path: string
  /** Where the file was cut. */
  readonly position: number
  readonly bytes: number
}

/** The segments as recovery leaves them. */
export interface RecoveredSegments {
  /** At least one, oldest first, without gaps; the last one is active. */
  readonly segments: Segment[]
  /** The active segment's file, for writing. */
  readonly activeFile: FileHandle
  readonly tornTail: TornTail | undefined
}

/**
 * Opens the segments of a log. Sealed ones are taken at their index's word, since each batch is verified when it is read; the active one
 * is read and verified as a whole, its torn tail cut, and what was accepted is synced before anybody sees it.
 *
 * @throws GomqError CORRUPT_LOG  something that was once synced is damaged or missing; names file, byte and offset
 */
export async function recoverSegments(
  fs: FileSystem,
  directory: string,
  checkpoint: Checkpoint | undefined,
  crc32: Crc32,
): Promise<RecoveredSegments> {
  const folder = `${directory}/log`
  await fs.makeDirectory(folder)
  const names = await fs.list(folder)
  const bases = names
    .map(baseOffsetFromName)
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b)
  await removeTemporaryFiles(fs, folder, names)
  checkStart(folder, bases[0], checkpoint)
  const segments: Segment[] = []
  for (const [i, base] of bases.entries()) {
    const next = bases[i + 1]
    if (next !== undefined) segments.push(await openSealed(fs, folder, base, next, crc32))
  }
  const last = bases.at(-1)
  const active =
    last === undefined
      ? { ...(await createSegment(fs, folder, checkpoint?.logStartOffset ?? (0 as Offset))), tornTail: undefined }
      : await openActive(fs, directory, folder, last, checkpoint, crc32)
  segments.push(active.segment)
  return { segments, activeFile: active.file, tornTail: active.tornTail }
}

/** Creates an empty segment that survives a crash, and removes an index that an earlier one of this name may have left. */
export async function createSegment(
  fs: FileSystem,
  folder: string,
  baseOffset: Offset,
): Promise<{ segment: Segment; file: FileHandle }> {
  const path = `${folder}/${segmentName(baseOffset)}`
  await fs.remove(`${folder}/${indexName(baseOffset)}`)
  const file = await fs.open(path, 'create')
  try {
    await file.sync()
    await fs.syncDirectory(folder)
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
  return { segment: new Segment(path, { index: new SegmentIndex(baseOffset) }), file }
}

/** Writes the index of a sealed segment. When it fails, nothing is lost: the index is rebuilt. */
export function writeIndex(fs: FileSystem, folder: string, index: SegmentIndex, crc32: Crc32): Promise<void> {
  return replaceFile(fs, folder, indexName(index.baseOffset), (file) => file.writev(index.encode(crc32), 0))
}

/** Loads the index of a sealed segment from its file, or rebuilds it from the segment when the file is missing, damaged or another's. */
export async function loadIndex(
  fs: FileSystem,
  folder: string,
  segment: Segment,
  file: FileHandle,
  crc32: Crc32,
): Promise<SegmentIndex> {
  const { summary } = segment
  const bytes = await readFile(fs, `${folder}/${indexName(segment.baseOffset)}`)
  const stored = bytes && SegmentIndex.decode(bytes, crc32)
  if (stored !== undefined && stored.endOffset === summary.endOffset && stored.bytes === summary.bytes) return stored
  const scan = await scanSegment(file, segment.baseOffset, crc32)
  if (scan.goodBytes < summary.bytes) throw corruptAt(segment.path, scan.goodBytes, scan.index.endOffset)
  await writeIndex(fs, folder, scan.index, crc32).catch(() => undefined)
  return scan.index
}

async function removeTemporaryFiles(fs: FileSystem, folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) if (name.endsWith('.tmp')) await fs.remove(`${folder}/${name}`)
}

function checkStart(folder: string, start: Offset | undefined, checkpoint: Checkpoint | undefined): void {
  if (checkpoint === undefined) return
  const { logStartOffset, syncedOffset } = checkpoint
  if (start === undefined ? syncedOffset > logStartOffset : start > logStartOffset) {
    throw new GomqError(
      'CORRUPT_LOG',
      `the log in ${folder} ${start === undefined ? 'has no segment' : `begins at offset ${start}`}, and its checkpoint says that it begins at ${logStartOffset}; segments were lost; restore the data directory from a backup, or, to accept the loss, remove the file 'checkpoint'`,
    )
  }
}

async function openSealed(fs: FileSystem, folder: string, base: Offset, next: Offset, crc32: Crc32): Promise<Segment> {
  const path = `${folder}/${segmentName(base)}`
  const file = await fs.open(path, 'read')
  try {
    const head = await readFile(fs, `${folder}/${indexName(base)}`, SUMMARY_BYTES_MAX)
    const stored = head && SegmentIndex.decodeSummary(head, crc32)
    if (
      stored !== undefined &&
      stored.summary.baseOffset === base &&
      stored.summary.endOffset === next &&
      stored.summary.bytes === (await file.sizeBytes())
    ) {
      return new Segment(path, { summary: stored.summary })
    }
    const scan = await scanSegment(file, base, crc32)
    if (scan.goodBytes < scan.fileBytes || scan.index.endOffset !== next)
      throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
    await writeIndex(fs, folder, scan.index, crc32).catch(() => undefined)
    return new Segment(path, { summary: scan.index.summary })
  } finally {
    await file.close()
  }
}

async function openActive(
  fs: FileSystem,
  directory: string,
  folder: string,
  base: Offset,
  checkpoint: Checkpoint | undefined,
  crc32: Crc32,
): Promise<{ segment: Segment; file: FileHandle; tornTail: TornTail | undefined }> {
  const path = `${folder}/${segmentName(base)}`
  let file = await fs.open(path, 'write')
  try {
    const { index, goodBytes, fileBytes } = await scanSegment(file, base, crc32)
    if (goodBytes < fileBytes && (await wasSyncedBehind(file, goodBytes, index.endOffset, crc32)))
      throw corruptAt(path, goodBytes, index.endOffset)
    const tornBytes = (await writtenBytesOf(file)) - goodBytes
    if (checkpoint !== undefined && index.endOffset < checkpoint.syncedOffset) {
      if (tornBytes > 0) throw corruptAt(path, goodBytes, index.endOffset)
      throw new GomqError(
        'CORRUPT_LOG',
        `the log in ${folder} ends at offset ${index.endOffset}, and its checkpoint says that it was complete up to ${checkpoint.syncedOffset}; something was lost or an old copy was put back; restore the data directory from a backup, or, to accept the loss, remove the file 'checkpoint'`,
      )
    }
    // It may have been sealed before a truncation: what was written about it then is no longer true.
    await fs.remove(`${folder}/${indexName(base)}`)
    if (await hasSyncMarker(fs, directory)) {
      const old = file
      await replaceFile(fs, folder, segmentName(base), (copy) => copyBytes(old, copy, goodBytes))
      await old.close()
      file = await fs.open(path, 'write')
    } else {
      // Should this sync fail, the next start must not believe the page cache; it may be too late to say so then.
      await putSyncMarker(fs, directory)
      if (goodBytes < fileBytes) await file.truncate(goodBytes)
      await file.sync()
    }
    await fs.syncDirectory(folder)
    await removeSyncMarker(fs, directory)
    const tornTail = tornBytes > 0 ? { path, position: goodBytes, bytes: tornBytes } : undefined
    return { segment: new Segment(path, { index }), file, tornTail }
  } catch (error) {
    await file.close().catch(() => undefined)
    throw error
  }
}

/** Bytes of the file up to its last one that is not zero: zeros behind the end are room for what comes next. */
export async function writtenBytesOf(file: FileHandle): Promise<number> {
  let end = await file.sizeBytes()
  while (end > 0) {
    const at = Math.max(0, end - SCAN_CHUNK_BYTES)
    const chunk = new Uint8Array(end - at)
    await file.read(chunk, at)
    let i = chunk.byteLength
    while (i > 0 && chunk[i - 1] === 0) i--
    if (i > 0) return at + i
    end = at
  }
  return 0
}

/** Into a new file, since what is in the page cache may never have reached the disk although a later sync succeeds. */
async function copyBytes(from: FileHandle, to: FileHandle, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += SCAN_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, bytes - at))
    await from.read(chunk, at)
    await to.writev([chunk], at)
  }
}
