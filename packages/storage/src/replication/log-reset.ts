import type { Epoch, Offset } from '@gomq/protocol'
import type { LogParts } from '../log-parts.js'
import { createSegment } from '../recovery.js'
import { emptyDirectory } from './emptying.js'

/**
 * Removes everything that is in the log, and the snapshots beside it; it begins and ends at `offset`. Nobody writes and nobody reads meanwhile.
 *
 *     checkpoint: emptying, begins at offset -> snapshots, segments -> a new segment -> checkpoint: begins at offset
 *
 * The first checkpoint decides: before it a crash leaves the old log, from then on the next start ends what is begun here. The second one
 * must be there before anything is appended, which the next start would remove.
 */
export async function resetLog(
  { context, state, tail, indexes, files, writer }: LogParts,
  offset: Offset,
): Promise<void> {
  const { fs, directory, folder } = context
  await writer.checkpoint({
    syncedOffset: offset,
    epoch: 0 as Epoch,
    logStartOffset: offset,
    snapshotNeededFrom: offset,
    isEmptying: true,
  })
  await files.close()
  for (const segment of state.segments) indexes.forget(segment)
  await emptyDirectory(fs, directory)
  const { segment, file } = await createSegment(fs, folder, offset)
  await file.close()
  await writer.reopen(segment.path)
  tail.truncate(0 as Offset)
  state.handleEmptied(segment)
  await writer.checkpoint()
}
