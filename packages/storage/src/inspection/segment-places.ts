import type { Offset } from '@gomq/protocol'
import type { Checkpoint } from '../checkpoint.js'
import type { FileSystem } from '../file-system.js'
import { type DataFiles, type SegmentFile, unlessGone } from './data-files.js'
import type { SegmentPlace } from './segment-inspection.js'

/** The segments of a log in their order. */
export interface PlacedSegments {
  readonly places: readonly SegmentPlace[]
  /** Those whose offsets a segment of a higher generation covers. */
  readonly replaced: readonly SegmentFile[]
  readonly overlaps: readonly SegmentFile[]
  /** Bytes of the files of all that are placed. */
  readonly totalBytes: number
}

/** Finds out which segments count and where each one ends, from their names. */
export async function placeSegments(options: {
  readonly fs: FileSystem
  readonly files: DataFiles
  readonly checkpoint: Checkpoint | undefined
}): Promise<PlacedSegments> {
  const { fs, files, checkpoint } = options
  const places: SegmentPlace[] = []
  let totalBytes = 0
  for (const [i, file] of files.segments.entries()) {
    const next = files.segments[i + 1]
    totalBytes += (await unlessGone(() => sizeOf(fs, file.path))) ?? 0
    places.push({
      file,
      isActive: next === undefined,
      headBytes: 0,
      baseOffset: file.baseOffset,
      endOffset: next?.baseOffset,
      mayHaveGaps: false,
      syncedOffset: checkpoint?.syncedOffset ?? (0 as Offset),
    })
  }
  return { places, replaced: [], overlaps: [], totalBytes }
}

async function sizeOf(fs: FileSystem, path: string): Promise<number> {
  const file = await fs.open(path, 'read')
  try {
    return await file.sizeBytes()
  } finally {
    await file.close()
  }
}
