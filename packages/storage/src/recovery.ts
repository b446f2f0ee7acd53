import { type Crc32, GomqError, type Offset } from '@gomq/protocol'
import { readActiveIndex } from './active-index.js'
import type { Checkpoint } from './checkpoint.js'
import { scanCleanedSegment } from './cleaned-segment-file.js'
import { type FileHandle, type FileSystem, replaceFile } from './file-system.js'
import type { CleanedHead } from './format/cleaned-head.js'
import { SegmentIndex } from './format/segment-index.js'
import { readSummary, writeIndex } from './index-file.js'
import { OPENED_AT_ONCE, SCAN_CHUNK_BYTES } from './limits.js'
import { emptyDirectory } from './replication/emptying.js'
import { corruptAt, indexName, remedyOf, Segment, segmentName } from './segment.js'
import { chooseSegments, type SegmentFile, segmentFilesOf } from './segment-choice.js'
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
 * is read and verified as a whole, its torn tail cut, and what was accepted is synced before anybody sees it. Only after a close in order,
 * which leaves its index, it is believed as the sealed ones are.
 *
 * @param onSealed  the sealed segments are open, the active one is next
 * @throws GomqError CORRUPT_LOG  something that was once synced is damaged or missing; names file, byte and offset
 */
export async function recoverSegments(
  fs: FileSystem,
  directory: string,
  checkpoint: Checkpoint | undefined,
  crc32: Crc32,
  onSealed: () => void = () => undefined,
): Promise<RecoveredSegments> {
  const folder = `${directory}/log`
  await fs.makeDirectory(folder)
  if (checkpoint?.isEmptying === true) await emptyDirectory(fs, directory)
  const names = await fs.list(folder)
  const files = await segmentFilesOf(fs, folder, names, crc32)
  const { chosen, superseded } = chooseSegments(files, checkpoint?.logStartOffset ?? (0 as Offset))
  checkStart(folder, chosen[0]?.baseOffset, checkpoint)
  const last = chosen.at(-1)
  checkEnd(last, checkpoint)
  const segments: Segment[] = []
  const isSealed = (file: SegmentFile) => file !== last || file.head !== undefined
  const sealed = chosen.filter(isSealed)
  for (let i = 0; i < sealed.length; i += OPENED_AT_ONCE) {
    const some = sealed.slice(i, i + OPENED_AT_ONCE)
    const open = (file: SegmentFile, j: number) =>
      openSealed(fs, folder, file, chosen[i + j + 1]?.baseOffset ?? file.head!.endOffset, crc32)
    segments.push(...(await Promise.all(some.map(open))))
  }
  onSealed()
  await removeLeftovers(fs, directory, names, chosen, superseded)
  const active =
    last === undefined || last.head !== undefined
      ? await createSegment(fs, folder, last?.head?.endOffset ?? checkpoint?.logStartOffset ?? (0 as Offset))
      : await openActive(fs, directory, folder, last.baseOffset, checkpoint, crc32)
  segments.push(active.segment)
  return { segments, activeFile: active.file, tornTail: active.tornTail }
}

/** Creates an empty segment that survives a crash, and removes an index that an earlier one of this name may have left. */
export async function createSegment(
  fs: FileSystem,
  folder: string,
  baseOffset: Offset,
): Promise<{ segment: Segment; file: FileHandle; tornTail: undefined }> {
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
  return { segment: new Segment(path, { index: new SegmentIndex(baseOffset) }), file, tornTail: undefined }
}

/**
 * Removes temporary files, indexes without a segment, and the segments that others have taken the place of. The log is known to be whole
 * without them, and stays so in a crash: what speaks for the files that stay, their names and the checkpoint, is made to survive it first.
 */
async function removeLeftovers(
  fs: FileSystem,
  directory: string,
  names: readonly string[],
  chosen: readonly SegmentFile[],
  superseded: readonly SegmentFile[],
): Promise<void> {
  const folder = `${directory}/log`
  const indexes = new Set(chosen.map(({ baseOffset, generation }) => indexName(baseOffset, generation)))
  for (const name of names)
    if (name.endsWith('.tmp') || (name.endsWith('.index') && !indexes.has(name))) await fs.remove(`${folder}/${name}`)
  if (superseded.length === 0) return
  await fs.syncDirectory(directory)
  await fs.syncDirectory(folder)
  for (const { path } of superseded) await fs.remove(path)
  await fs.syncDirectory(folder)
}

function checkStart(folder: string, start: Offset | undefined, checkpoint: Checkpoint | undefined): void {
  if (checkpoint === undefined) return
  const { logStartOffset, syncedOffset } = checkpoint
  if (start === undefined ? syncedOffset > logStartOffset : start > logStartOffset) {
    throw new GomqError(
      'CORRUPT_LOG',
      `the log in ${folder} ${start === undefined ? 'has no segment' : `begins at offset ${start}`}, and its checkpoint says that it begins at ${logStartOffset}; segments were lost; ${remedyOf(folder)}`,
    )
  }
}

/** Behind a cleaned segment there was another one, always, unless it was just received. */
function checkEnd(last: SegmentFile | undefined, checkpoint: Checkpoint | undefined): void {
  if (last?.head === undefined || checkpoint === undefined) return
  const { receivingTo, syncedOffset } = checkpoint
  if (receivingTo === last.head.endOffset && syncedOffset <= receivingTo) return
  throw new GomqError(
    'CORRUPT_LOG',
    `the log ends with ${last.path}, at byte ${last.head.bytes}, where offset ${last.head.endOffset} should begin in a segment that is gone; ${remedyOf(last.path)}`,
  )
}

/** @param endOffset  where the next segment begins */
async function openSealed(
  fs: FileSystem,
  folder: string,
  { path, baseOffset, generation, head }: SegmentFile,
  endOffset: Offset,
  crc32: Crc32,
): Promise<Segment> {
  const file = await fs.open(path, 'read')
  try {
    if (head !== undefined && head.endOffset !== endOffset) throw gapBehind(path, head, endOffset)
    const stored = await readSummary(fs, `${folder}/${indexName(baseOffset, generation)}`, crc32)
    if (
      stored !== undefined &&
      stored.cleaned?.generation === head?.generation &&
      stored.summary.baseOffset === baseOffset &&
      stored.summary.endOffset === endOffset &&
      stored.summary.bytes === (await file.sizeBytes()) &&
      (head === undefined || (stored.summary.bytes === head.bytes && stored.count === head.batches))
    ) {
      return new Segment(path, { summary: stored.summary }, generation)
    }
    const index =
      head === undefined
        ? await scanSealed(file, path, baseOffset, endOffset, crc32)
        : await scanCleanedSegment(file, path, head, crc32)
    await writeIndex(fs, folder, index, crc32).catch(() => undefined)
    return new Segment(path, { summary: index.summary }, generation)
  } finally {
    await file.close()
  }
}

/** The index of a segment as it was appended, which must be whole up to where the next one begins. */
async function scanSealed(
  file: FileHandle,
  path: string,
  baseOffset: Offset,
  endOffset: Offset,
  crc32: Crc32,
): Promise<SegmentIndex> {
  const scan = await scanSegment(file, baseOffset, crc32)
  if (scan.goodBytes < scan.fileBytes || scan.index.endOffset !== endOffset)
    throw corruptAt(path, scan.goodBytes, scan.index.endOffset)
  return scan.index
}

function gapBehind(path: string, head: CleanedHead, nextBaseOffset: Offset): GomqError {
  return new GomqError(
    'CORRUPT_LOG',
    `the log is damaged: ${path} ends at byte ${head.bytes}, where offset ${head.endOffset} should begin in the next segment, and that begins at offset ${nextBaseOffset}; ${remedyOf(path)}`,
  )
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
    const isMarked = await hasSyncMarker(fs, directory)
    const known = isMarked ? undefined : await readActiveIndex(fs, folder, file, base, checkpoint, crc32)
    const { index, goodBytes, fileBytes, syncedBytes } = known
      ? { index: known, goodBytes: known.bytes, fileBytes: known.bytes, syncedBytes: known.bytes }
      : await scanSegment(file, base, crc32)
    if (goodBytes < fileBytes && (await wasSyncedBehind(file, goodBytes, index.endOffset, crc32)))
      throw corruptAt(path, goodBytes, index.endOffset)
    const tornBytes = goodBytes < fileBytes ? (await writtenBytesOf(file)) - goodBytes : 0
    if (checkpoint !== undefined && index.endOffset < checkpoint.syncedOffset) {
      if (tornBytes > 0) throw corruptAt(path, goodBytes, index.endOffset)
      throw new GomqError(
        'CORRUPT_LOG',
        `the log in ${folder} ends at offset ${index.endOffset}, and its checkpoint says that it was complete up to ${checkpoint.syncedOffset}; something was lost or an old copy was put back; ${remedyOf(path)}`,
      )
    }
    // What comes next makes it untrue, whether the last close left it or the segment was sealed before a truncation.
    await fs.remove(`${folder}/${indexName(base)}`)
    if (isMarked) {
      const old = file
      await replaceFile(fs, folder, segmentName(base), (copy) => copyBytes(old, copy, 0, goodBytes))
      await old.close()
      file = await fs.open(path, 'write')
    } else {
      // Should this sync fail, the next start must not believe the page cache; it may be too late to say so then.
      await putSyncMarker(fs, directory)
      if (known === undefined) await writeAgain(file, syncedBytes, goodBytes, fileBytes)
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

/**
 * Cuts the file to `goodBytes`, and writes the last round over itself: the next sync then puts down all that is seen. Otherwise it might not, where
 * the last process was killed right after a sync that failed, before it could leave the marker; the pages then pass for written.
 */
async function writeAgain(file: FileHandle, from: number, goodBytes: number, fileBytes: number): Promise<void> {
  await copyBytes(file, file, from, goodBytes)
  // A size that does not change would not be written.
  if (goodBytes === fileBytes) await file.truncate(goodBytes + 1)
  await file.truncate(goodBytes)
}

/** Copies a part of a file to the same place in another, or in itself: what is read from the page cache may never have reached the disk. */
async function copyBytes(from: FileHandle, to: FileHandle, start: number, end: number): Promise<void> {
  for (let at = start; at < end; at += SCAN_CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, end - at))
    await from.read(chunk, at)
    await to.writev([chunk], at)
  }
}
