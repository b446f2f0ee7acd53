import type { Engine } from '@gomq/engine'
import type { Crc32, Offset } from '@gomq/protocol'
import { type FileSystem, type Log, loadSnapshot } from '@gomq/storage'

/** What recovery read, for the log. */
export interface RecoveredState {
  /** Where the replay began: the newest snapshot's offset, or the log's start. */
  readonly replayedFrom: Offset
  readonly snapshotEntries: number
  readonly replayedBatches: number
}

/**
 * Brings the engine's state up to the end of the log: the newest snapshot that is whole, then every batch behind it. The state is a
 * fold over the log, so that this is all there is to read.
 */
export async function recoverState(source: {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly log: Log
  readonly engine: Engine
}): Promise<RecoveredState> {
  const { fs, directory, crc32, log, engine } = source
  const snapshot = await loadSnapshot({ fs, directory, crc32, log })
  let snapshotEntries = 0
  for (const entry of snapshot?.entries ?? []) {
    engine.restoreEntry(entry)
    snapshotEntries++
  }
  const replayedFrom = snapshot?.beginOffset ?? log.logStartOffset
  let replayedBatches = 0
  await log.replay(replayedFrom, (batch) => {
    engine.replay(batch)
    replayedBatches++
  })
  return { replayedFrom, snapshotEntries, replayedBatches }
}
