import type { Crc32, Offset } from '@gomq/protocol'
import { readCleanedHead } from './cleaned-segment-file.js'
import type { FileSystem } from './file-system.js'
import type { CleanedHead } from './format/cleaned-head.js'
import { segmentFromName } from './segment.js'

/** A segment file in the log's folder. */
export interface SegmentFile {
  readonly path: string
  readonly baseOffset: Offset
  /** 0 as it was appended; higher: cleaned. */
  readonly generation: number
  /** Of a cleaned one. */
  readonly head: CleanedHead | undefined
}

/** Which files make the log. */
export interface SegmentChoice {
  /** Oldest first. Whether they follow each other without gaps is still to be seen. */
  readonly chosen: SegmentFile[]
  /** What a crash left of a cleaning or of a start that moved: may be removed once the log is known to be whole without them. */
  readonly superseded: SegmentFile[]
}

/**
 * The segment files among `names`, in no order.
 * @throws GomqError CORRUPT_LOG  the head of a cleaned one is damaged
 */
export async function segmentFilesOf(
  fs: FileSystem,
  folder: string,
  names: readonly string[],
  crc32: Crc32,
): Promise<SegmentFile[]> {
  const files: SegmentFile[] = []
  for (const name of names) {
    const found = segmentFromName(name)
    if (found === undefined) continue
    const path = `${folder}/${name}`
    if (found.generation === 0) {
      files.push({ path, ...found, head: undefined })
      continue
    }
    const file = await fs.open(path, 'read')
    try {
      files.push({ path, ...found, head: await readCleanedHead(file, path, found, crc32) })
    } finally {
      await file.close()
    }
  }
  return files
}

/**
 * Chooses the files that make the log: of those that cover the same offsets the one of the highest generation, and nothing below the log's
 * start, where a segment begins there.
 *
 *     0.log  10.log  20.log  30.log        0.1.log covers [0, 20), the log's start is 0
 *     chosen: 0.1.log  20.log  30.log      superseded: 0.log  10.log
 *
 * Files that cover a part of each other only are both chosen; they do not follow each other, which the caller refuses.
 *
 * @param logStartOffset  what the checkpoint says
 */
export function chooseSegments(files: readonly SegmentFile[], logStartOffset: Offset): SegmentChoice {
  // The start moves by whole segments, so that what begins before the one at the start counts no more, and covers nothing either.
  const isStartThere = files.some((file) => file.baseOffset === logStartOffset)
  const isBelow = (file: SegmentFile) => isStartThere && file.baseOffset < logStartOffset
  const cleaned = files.filter((file) => file.head !== undefined && !isBelow(file))
  const isCovered = (file: SegmentFile) =>
    cleaned.some(
      ({ generation, baseOffset, head }) =>
        generation > file.generation &&
        baseOffset <= file.baseOffset &&
        // Where one as it was appended ends is not known here. It ends where the next one begins, or the log is not whole.
        (file.head === undefined ? file.baseOffset < head!.endOffset : file.head.endOffset <= head!.endOffset),
    )
  const chosen: SegmentFile[] = []
  const superseded: SegmentFile[] = []
  for (const file of files) (isBelow(file) || isCovered(file) ? superseded : chosen).push(file)
  chosen.sort((a, b) => a.baseOffset - b.baseOffset)
  return { chosen, superseded }
}
