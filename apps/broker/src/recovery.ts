import type { Engine } from '@gomq/engine'
import type { Crc32, Offset } from '@gomq/protocol'
import { type FileSystem, type Log, loadSnapshot } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'

/** What recovery read, for the log. */
export interface RecoveredState {
  /** Where the replay began: the newest snapshot's offset, or the log's start. */
  readonly replayedFrom: Offset
  readonly snapshotEntries: number
  readonly replayedBatches: number
  readonly replayedBytes: number
  /** Time that reading the snapshot took, and the replay. */
  readonly snapshotMs: number
  readonly replayMs: number
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
  readonly brokerLog: BrokerLog
  nowMs(): number
}): Promise<RecoveredState> {
  const { fs, directory, crc32, log, engine, brokerLog } = source
  if (log.tornTail !== undefined)
    brokerLog.warn({ ...log.tornTail }, 'the end of the log was torn and is cut; nothing of it was acknowledged')
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
  for (const entry of snapshot?.entries ?? []) snapshotEntries += engine.restoreEntry(entry)
  const loadedMs = source.nowMs()
  const replayedFrom = snapshot?.beginOffset ?? log.logStartOffset
  let replayedBatches = 0
  let replayedBytes = 0
  await log.replay(replayedFrom, (batch) => {
    engine.replay(batch)
    replayedBatches++
    replayedBytes += batch.byteLength
  })
  return {
    replayedFrom,
    snapshotEntries,
    replayedBatches,
    replayedBytes,
    snapshotMs: loadedMs - startedMs,
    replayMs: source.nowMs() - loadedMs,
  }
}
