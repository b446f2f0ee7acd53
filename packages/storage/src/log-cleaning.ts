import { invariant, type Offset } from '@gomq/protocol'
import { readCleanedHead } from './cleaned-segment-file.js'
import type { CleanedSegment } from './cleaned-segment-writer.js'
import { flatEpochStarts, joinedEpochStarts } from './format/epoch-start.js'
import type { LogParts } from './log-parts.js'
import { indexName, Segment } from './segment.js'

/**
 * Puts a cleaned segment, which is in its place on the disk, where the sealed segments stand that it covers exactly. One change of the log's
 * segments at a time.
 *
 * Readers under way end in the old files; those that come later find the new one. The old files go when nobody reads them any more. A crash
 * at any moment leaves old files beside the new one, which the next start removes.
 *
 * @throws GomqError DISK_FULL  the checkpoint has to be written first, since the log's start could not be moved before, and finds no room
 */
export async function replaceSegments(parts: LogParts, cleaned: CleanedSegment): Promise<void> {
  const { state, indexes, files, writer, coldReads } = parts
  const covered = state.coveredBy(cleaned)
  await check(parts, cleaned, covered)
  // A start inside the new segment would be where nothing begins.
  if (state.isStartInDoubt) {
    await writer.checkpoint()
    state.handleStartWritten()
  }
  // The index of a segment that was just sealed may be on its way to the disk, behind its removal.
  await writer.indexWrites
  const segment = new Segment(cleaned.path, { summary: cleaned.summary }, cleaned.generation)
  await coldReads.alone(async () => {
    for (const old of state.handleReplaced(segment)) {
      indexes.forget(old)
      await files.forget(old.path)
    }
  })
  await removeFiles(parts, covered)
}

/**
 * Moves the log's start up to `to`, where a segment begins, and removes the segments below. One change of the log's segments at a time.
 *
 * The checkpoint says so first: after a crash the next start removes what is left below, in whatever part it is there.
 *
 * @throws GomqError DISK_FULL  the checkpoint found no room: the log begins where it did, and may be moved anywhere later
 */
export async function advanceStart(parts: LogParts, to: Offset): Promise<void> {
  const { state, indexes, files, writer, coldReads } = parts
  if (to <= state.logStartOffset) return
  state.handleStartPromised(to)
  try {
    await writer.checkpoint()
  } catch (error) {
    state.handleStartTakenBack()
    throw error
  }
  state.handleStartWritten()
  await writer.indexWrites
  const dropped = await coldReads.alone(async () => {
    const below = state.handleStartAdvanced()
    for (const old of below) {
      indexes.forget(old)
      await files.forget(old.path)
    }
    return below
  })
  await removeFiles(parts, dropped)
}

/** Makes the checkpoint say that control records below `offset` may be cleaned away. */
export async function requireSnapshotFrom({ state, writer }: LogParts, offset: Offset): Promise<void> {
  state.handleSnapshotNeeded(offset)
  await writer.checkpoint()
}

/** What the log takes on trust from whoever wrote the file, often in another thread. */
async function check(
  { context, state }: LogParts,
  cleaned: CleanedSegment,
  covered: readonly Segment[],
): Promise<void> {
  const { path, generation, endOffset, summary } = cleaned
  invariant(
    covered.every((segment) => segment.generation < generation),
    `${path} does not have a higher generation than what it replaces`,
  )
  invariant(
    endOffset <= state.highWatermark,
    `${path} covers up to ${endOffset}, above the high watermark ${state.highWatermark}`,
  )
  // Not through the files kept open: should the file be refused, another one may get its name.
  const file = await context.fs.open(path, 'read')
  const head = await readCleanedHead(file, path, cleaned, context.crc32).finally(() => file.close())
  const epochs = joinedEpochStarts(covered.map((segment) => segment.summary.epochStarts))
  invariant(
    head.endOffset === endOffset &&
      head.bytes === summary.bytes &&
      flatEpochStarts(head.epochStarts).join() === flatEpochStarts(epochs).join(),
    `${path} does not say what it was handed over with, or has lost epochs`,
  )
}

async function removeFiles({ context }: LogParts, segments: readonly Segment[]): Promise<void> {
  const { fs, folder } = context
  for (const { path, baseOffset, generation } of segments) {
    await fs.remove(`${folder}/${indexName(baseOffset, generation)}`)
    await fs.remove(path)
  }
  await fs.syncDirectory(folder)
}
