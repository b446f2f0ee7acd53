import type { CommittedState } from '@gomq/engine'
import type { Crc32, Offset } from '@gomq/protocol'
import { type FileSystem, type Log, loadSnapshot } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'

/** What recovery read, for the log. */
export interface RecoveredState {
  /** Where the replay began: the newest snapshot's offset, or the log's start. */
  readonly replayedFrom: Offset
  /** Where it ended: the state is that of this offset. */
  readonly replayedTo: Offset
  readonly snapshotEntries: number
  readonly replayedBatches: number
  readonly replayedBytes: number
  /** Time that reading the snapshot took, and the replay. */
  readonly snapshotMs: number
  readonly replayMs: number
}

/**
 * Brings an empty state up to the high watermark: the newest snapshot that is whole, then every batch behind it. The state is a
 * fold over the log, so that this is all there is to read. What a snapshot holds has committed: the high watermark is raised to its end.
 */
export async function recoverState(source: {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  readonly log: Log
  readonly state: CommittedState
  readonly brokerLog: BrokerLog
  nowMs(): number
}): Promise<RecoveredState> {
  const { fs, directory, crc32, log, state, brokerLog } = source
  const startedMs = source.nowMs()
  const snapshot = await loadSnapshot({
    fs,
    directory,
    crc32,
    log,
    onRejected: (path, reason) =>
      brokerLog.warn({ path, reason }, 'a snapshot is put aside; the log is replayed instead'),
  })
  let snapshotEntries = 0
  for (const entry of snapshot?.entries ?? []) snapshotEntries += state.restore(entry)
  const loadedMs = source.nowMs()
  const replayedFrom = snapshot?.beginOffset ?? log.logStartOffset
  let replayedBatches = 0
  let replayedBytes = 0
  if (snapshot !== undefined && snapshot.endOffset > log.highWatermark) log.setHighWatermark(snapshot.endOffset)
  const replayedTo = log.highWatermark
  const fold = (batch: Uint8Array): void => {
    state.replay(batch)
    replayedBatches++
    replayedBytes += batch.byteLength
  }
  await log.replay(replayedFrom, fold, replayedTo)
  return {
    replayedFrom,
    replayedTo,
    snapshotEntries,
    replayedBatches,
    replayedBytes,
    snapshotMs: loadedMs - startedMs,
    replayMs: source.nowMs() - loadedMs,
  }
}
