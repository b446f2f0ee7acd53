import { type Crc32, GomqError, type Offset } from '@gomq/protocol'
import type { Checkpoint } from '../checkpoint.js'
import { readCleanedHead } from '../cleaned-segment-file.js'
import type { FileSystem } from '../file-system.js'
import type { CleanedHead } from '../format/cleaned-head.js'
import { chooseSegments } from '../segment-choice.js'
import { type DataFiles, type SegmentFile, unlessGone } from './data-files.js'

/** What is known of a segment from the names beside it and from its head. */
export interface SegmentPlace {
  readonly file: SegmentFile
  readonly isActive: boolean
  /** Of a cleaned segment; undefined if it is damaged, too. */
  readonly head: CleanedHead | undefined
  /** First byte of the first batch; 0 where a damaged head does not say it. */
  readonly headBytes: number
  readonly baseOffset: Offset
  /** Where it ends; undefined for the active one. */
  readonly endOffset: Offset | undefined
  /** Whether offsets may be missing between its batches: it was cleaned. */
  readonly mayHaveGaps: boolean
  /** What the checkpoint knows to be synced. */
  readonly syncedOffset: Offset
}

/** The segments of a log in their order. */
export interface PlacedSegments {
  readonly places: readonly SegmentPlace[]
  /** Those whose offsets a segment of a higher generation covers, or that lie below the log's start; a crash left them. */
  readonly replaced: readonly SegmentFile[]
  /** Those that begin before the one before them ends, so that nobody can tell which one counts. */
  readonly overlaps: readonly SegmentFile[]
  /** Bytes of the files of all that are placed. */
  readonly totalBytes: number
}

/**
 * Finds out which segments count and where each one ends, from their names and heads, as a start does.
 * @throws GomqError UNSUPPORTED_FORMAT  another version wrote one
 */
export async function placeSegments(options: {
  readonly fs: FileSystem
  readonly files: DataFiles
  readonly checkpoint: Checkpoint | undefined
  readonly crc32: Crc32
}): Promise<PlacedSegments> {
  const { fs, files, checkpoint, crc32 } = options
  const byPath = new Map(files.segments.map((file) => [file.path, file]))
  const found = []
  for (const file of files.segments) {
    const head = await unlessGone(() => headOf(fs, file, crc32))
    if (head !== undefined) found.push({ ...file, head: head === 'damaged' ? undefined : head })
    else if (file.generation === 0) found.push({ ...file, head: undefined })
  }
  const { chosen, superseded } = chooseSegments(found, checkpoint?.logStartOffset ?? (0 as Offset))
  const places: SegmentPlace[] = []
  const overlaps: SegmentFile[] = []
  let totalBytes = 0
  for (const [i, { path, head, baseOffset, generation }] of chosen.entries()) {
    const file = byPath.get(path)!
    const next = chosen[i + 1]
    totalBytes += (await unlessGone(() => sizeOf(fs, path))) ?? 0
    const endOffset = head?.endOffset ?? next?.baseOffset
    if (next !== undefined && (endOffset! > next.baseOffset || baseOffset === next.baseOffset))
      overlaps.push(byPath.get(next.path)!)
    places.push({
      file,
      isActive: next === undefined && generation === 0,
      head,
      headBytes: head?.headBytes ?? 0,
      baseOffset,
      endOffset,
      mayHaveGaps: generation > 0,
      syncedOffset: checkpoint?.syncedOffset ?? (0 as Offset),
    })
  }
  return { places, replaced: superseded.map(({ path }) => byPath.get(path)!), overlaps, totalBytes }
}

/** Undefined for a segment as it was appended. */
async function headOf(
  fs: FileSystem,
  segment: SegmentFile,
  crc32: Crc32,
): Promise<CleanedHead | 'damaged' | undefined> {
  if (segment.generation === 0) return undefined
  const file = await fs.open(segment.path, 'read')
  try {
    return await readCleanedHead(file, segment.path, segment, crc32)
  } catch (error) {
    if (error instanceof GomqError && error.code === 'CORRUPT_LOG') return 'damaged'
    throw error
  } finally {
    await file.close()
  }
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  const file = await fs.open(path, 'read')
  try {
    return await file.sizeBytes()
  } finally {
    await file.close()
  }
}
