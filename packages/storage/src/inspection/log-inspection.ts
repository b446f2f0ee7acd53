import type { Crc32, Offset } from '@gomq/protocol'
import { type Checkpoint, readCheckpoint } from '../checkpoint.js'
import type { FileSystem } from '../file-system.js'
import { type DataFiles, type SegmentFile, unlessGone } from './data-files.js'
import type { Find, OnProgress } from './finding.js'
import { inspectSegment, type SegmentInspection } from './segment-inspection.js'
import { placeSegments } from './segment-places.js'

/** The segments of a log and what is wrong with them. @internal */
export interface LogInspection {
  /** Those that count, oldest first. */
  readonly segments: readonly SegmentInspection[]
  /** Segments that a cleaned one replaces; a crash left them. */
  readonly replaced: readonly SegmentFile[]
  /** Offsets between two segments that no file covers. */
  readonly gaps: readonly { readonly after: SegmentInspection; readonly toOffset: Offset }[]
  /** Segments whose offsets overlap, so that nobody can tell which one holds the truth. */
  readonly overlaps: readonly SegmentFile[]
  readonly logStartOffset: Offset
  readonly logEndOffset: Offset
  /** Offsets at the log's start and end that the checkpoint knows and no segment holds. */
  readonly isStartLost: boolean
  readonly isEndLost: boolean
  /** The last segment is a cleaned one, behind which there always was another. */
  readonly isActiveLost: boolean
}

/** Goes over all segments and their indexes, and reports what it finds. @internal */
export async function inspectSegments(options: {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly isLive?: boolean
  readonly onProgress?: OnProgress
  readonly files: DataFiles
  readonly checkpoint: Checkpoint | undefined
  readonly find: Find
}): Promise<LogInspection> {
  const { fs, directory, crc32, isLive = false, files, checkpoint, find } = options
  const { places, replaced, overlaps, totalBytes } = await placeSegments(options)
  for (const { name } of overlaps) find('damage', name, 'its offsets are those of another segment, too')
  for (const { name } of replaced) find('harmless', name, 'a cleaned segment replaces it')
  let doneBytes = 0
  const onBytes = (bytes: number) => options.onProgress?.((doneBytes += bytes), totalBytes)
  const segments: SegmentInspection[] = []
  for (const place of places) {
    const inspected = await unlessGone(() => inspectSegment({ fs, crc32, onBytes }, place))
    if (inspected !== undefined) segments.push(inspected)
    else if (!isLive) find('damage', place.file.name, 'it went away while it was read')
    else find('harmless', place.file.name, 'the broker replaced it meanwhile')
  }
  for (const segment of segments) report(segment, isLive ? checkpoint : undefined, find)
  const gaps: { after: SegmentInspection; toOffset: Offset }[] = []
  for (const [i, after] of segments.entries()) {
    const next = segments[i + 1]
    if (next === undefined || after.endOffset >= next.file.baseOffset || isLive) continue
    gaps.push({ after, toOffset: next.file.baseOffset })
    find('damage', after.file.name, 'the segment that should follow is not there', {
      offsets: [after.endOffset, next.file.baseOffset],
    })
  }
  const known = new Set(files.segments.map(({ indexPath }) => indexPath.slice(directory.length + 1)))
  for (const name of files.indexes)
    if (!known.has(name) && !isLive) find('harmless', name, 'an index without a segment')
  // Beside a broker the log's start may have moved since.
  const newest = isLive ? await readCheckpoint(fs, directory, crc32) : checkpoint
  const logStartOffset = segments[0]?.file.baseOffset ?? newest?.logStartOffset ?? (0 as Offset)
  const logEndOffset = segments.at(-1)?.endOffset ?? logStartOffset
  const isActiveLost =
    segments.at(-1)?.isActive === false && files.hasCheckpoint && checkpoint?.receivingTo !== logEndOffset
  const isStartLost = newest !== undefined && logStartOffset > newest.logStartOffset
  const isEndLost = checkpoint !== undefined && logEndOffset < checkpoint.syncedOffset
  if (isStartLost)
    find('damage', 'log', 'segments at its start are not there', { offsets: [newest.logStartOffset, logStartOffset] })
  // Damage that reaches the end says so itself.
  const last = segments.at(-1)?.damages.at(-1)
  if (isEndLost && (last === undefined || last.toOffset !== undefined))
    find('damage', 'log', 'its checkpoint knows more: something was lost, or an old copy was put back', {
      offsets: [logEndOffset, checkpoint.syncedOffset],
    })
  if (isActiveLost && !isEndLost && !isLive)
    find('damage', 'log', 'the segment behind the last one is gone', { offsets: [logEndOffset, null] })
  return { segments, replaced, gaps, overlaps, logStartOffset, logEndOffset, isStartLost, isEndLost, isActiveLost }
}

/** @param live  the checkpoint, beside a broker that works: what lies above may be written at this moment */
function report(
  {
    file,
    isActive,
    isHeadDamaged,
    isPaddingDamaged,
    damages,
    disorders,
    tornTail,
    index,
    endOffset,
  }: SegmentInspection,
  live: Checkpoint | undefined,
  find: Find,
): void {
  if (isPaddingDamaged)
    find('repairable', file.name, 'bytes between its head and its first batch are changed; nobody reads them')
  if (isHeadDamaged) find('damage', file.name, 'its head is damaged', { bytes: [0, 0] })
  for (const damage of damages) {
    if (live !== undefined && damage.fromOffset >= live.syncedOffset) continue
    const { fromByte, toByte, fromOffset, toOffset, batches, topics, isSearched } = damage
    const what = toByte > fromByte ? 'damaged batches' : 'missing batches'
    find('damage', file.name, `${what}${isSearched ? '; where they end was found by looking for the next one' : ''}`, {
      bytes: [fromByte, toByte],
      offsets: [fromOffset, toOffset ?? null],
      batches,
      topics,
    })
  }
  for (const { position, offset, what } of disorders)
    find('damage', file.name, `the batch at offset ${offset} is out of order: ${what}`, { bytes: [position, position] })
  if (tornTail !== undefined && live === undefined)
    find('harmless', file.name, 'a torn tail that was never acknowledged; the next start cuts it', {
      bytes: [tornTail.fromByte, tornTail.toByte],
    })
  const indexFile = file.name.replace(/\.log$/, '.index')
  if (index === 'damaged')
    find('repairable', indexFile, `it is damaged; the next start ${isActive ? 'removes it' : 'makes it anew'}`)
  else if (index === 'stale') find('repairable', indexFile, 'it does not agree with its segment')
  else if (index === 'missing' && live === undefined && !isActive)
    find('harmless', indexFile, `it is missing; the next start makes it anew (offsets up to ${endOffset})`)
}
