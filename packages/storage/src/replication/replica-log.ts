import type { Offset } from '@gomq/protocol'
import type { EpochStart } from '../format/epoch-start.js'
import type { Log } from '../log.js'
import { CleanedStretch, type StretchRange } from './cleaned-stretch.js'
import { resetLog } from './log-reset.js'
import { type MemberPiece, readForMember } from './member-read.js'

/** A log as replication needs it: what a leader reads for others, and what a member does to its own. */
export interface ReplicatedLog {
  readonly storeId: string
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly syncedOffset: Offset
  /** Everything below is in the file, final, and synced or being synced. */
  readonly writtenOffset: Offset
  readonly logEndOffset: Offset
  /** Oldest first. */
  readonly epochStarts: readonly EpochStart[]
  /** Control records below may be gone: only a snapshot that begins here or later gives the state. */
  readonly snapshotNeededFrom: Offset
  /**
   * Appends what a leader stamped; see `Log.append`. Whoever received it has verified both checksums: the header is sealed anew, with this
   * disk's own synced offset, whatever it holds. It is not copied: the rest of its buffer is batches that are appended beside it.
   */
  append(batch: Uint8Array): void
  /** See `Log.setHighWatermark`. */
  setHighWatermark(offset: Offset): void
  /** See `Log.truncate`. */
  truncate(to: Offset): Promise<void>
  /** See {@link readForMember}. */
  readForMember(from: Offset, bytesMax: number): Promise<MemberPiece>
  /**
   * Begins to receive a cleaned stretch `[logEndOffset, endOffset)`; see {@link CleanedStretch}. One that was begun before and not finished is
   * abandoned, here and by {@link truncate} and {@link reset}.
   */
  receiveCleaned(stretch: StretchRange): Promise<CleanedStretch>
  /**
   * Empties the log, durably: it begins and ends at `offset`, all snapshots are gone, the identity stays. A crash meanwhile leaves the old log or
   * the new one. What waits for the disk is given up. Nobody may append, clean or write a snapshot meanwhile.
   *
   * @throws GomqError the one of `onFailure`, if it could not be done: the log has failed
   */
  reset(offset: Offset): Promise<void>
}

/** The log as replication needs it; made once for a log. */
export function replicaLog(log: Log): ReplicatedLog {
  let receiving: CleanedStretch | undefined
  return {
    get storeId() {
      return log.storeId
    },
    get logStartOffset() {
      return log.logStartOffset
    },
    get highWatermark() {
      return log.highWatermark
    },
    get syncedOffset() {
      return log.syncedOffset
    },
    get writtenOffset() {
      return log.writtenOffset
    },
    get logEndOffset() {
      return log.logEndOffset
    },
    get epochStarts() {
      return log.epochStarts
    },
    get snapshotNeededFrom() {
      return log.snapshotNeededFrom
    },
    append: (batch) => log.append(batch, true),
    setHighWatermark: (offset) => log.setHighWatermark(offset),
    truncate: async (to) => {
      await receiving?.abandon()
      await log.truncate(to)
    },
    readForMember: (from, bytesMax) => readForMember(log, from, bytesMax),
    receiveCleaned: async (stretch) => {
      await receiving?.abandon()
      receiving = await CleanedStretch.begin(log, stretch)
      return receiving
    },
    reset: async (offset) => {
      await receiving?.abandon()
      await log.rebuild(log.syncedOffset, (parts) => resetLog(parts, offset))
    },
  }
}
