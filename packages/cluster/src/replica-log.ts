import type { Epoch, Offset } from '@gomq/protocol'

/** An epoch and the offset of its first record. */
export interface EpochStart {
  readonly epoch: Epoch
  readonly startOffset: Offset
}

/** A stretch of a log as it is sent to a member. */
export interface LogPiece {
  /** Whole batches in order. */
  readonly batches: readonly Uint8Array[]
  /** Where the next piece begins. */
  readonly nextOffset: Offset
  /**
   * Set where the log was cleaned: offsets are missing in `[from, endOffset)`, and a member takes all of it as one cleaned segment with
   * these epochs. The next pieces up to `endOffset` belong to it.
   */
  readonly cleaned?: { readonly endOffset: Offset; readonly epochStarts: readonly EpochStart[] }
}

/** A cleaned stretch that is being received. Nothing of it is in the log until {@link finish} has settled. */
export interface CleanedStretch {
  /** @throws GomqError DISK_FULL  there is no room; {@link abandon} follows */
  add(batch: Uint8Array): Promise<void>
  /**
   * When it settles, the log ends at the stretch's end, durably; control records below may be gone, and a snapshot is needed from there.
   * @throws GomqError DISK_FULL  there is no room; the log is as it was
   */
  finish(): Promise<void>
  abandon(): Promise<void>
}

/**
 * The log as replication needs it; that of `@gomq/storage` is one.
 *
 *     logStartOffset <= highWatermark <= syncedOffset <= writtenOffset <= logEndOffset
 */
export interface ReplicaLog {
  readonly storeId: string
  readonly logStartOffset: Offset
  readonly highWatermark: Offset
  readonly syncedOffset: Offset
  /** Everything below is final in this process: its bytes change no more, and it is synced or the process ends. A crash may take it back. */
  readonly writtenOffset: Offset
  readonly logEndOffset: Offset
  /** Oldest first. */
  readonly epochStarts: readonly EpochStart[]
  /** Control records below may be gone: only a snapshot that begins here or later gives the state. */
  readonly snapshotNeededFrom: Offset
  /** Appends what a leader stamped, as it is. Contiguous. */
  append(batch: Uint8Array): void
  /** It only rises, and not above `syncedOffset`. */
  setHighWatermark(offset: Offset): void
  /** Drops everything from `to` on, durably; not below the high watermark. */
  truncate(to: Offset): Promise<void>
  /** What is written from `from` on, for a member; cleaned stretches are marked. */
  readForMember(from: Offset, bytesMax: number): Promise<LogPiece>
  /** Begins to receive a cleaned stretch `[logEndOffset, endOffset)`. @throws GomqError DISK_FULL  there is no room */
  receiveCleaned(stretch: { endOffset: Offset; epochStarts: readonly EpochStart[] }): Promise<CleanedStretch>
  /**
   * Empties the log: it begins and ends at `offset`, and control records below are gone, durably. A crash meanwhile leaves the old log or the
   * new one. Everything that was there is given up: the caller knows that it is not in sync.
   */
  reset(offset: Offset): Promise<void>
}

/** A snapshot of the leader's state, as a member fetches it. */
export interface SnapshotFile {
  readonly beginOffset: Offset
  readonly bytes: number
  read(position: number, length: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** The snapshots beside a log. */
export interface SnapshotStore {
  /** The newest one that is whole; undefined if there is none. */
  open(): Promise<SnapshotFile | undefined>
  /**
   * Puts a received snapshot in its place, durably, and removes all others; it is verified first. What is refused changes nothing.
   * @throws GomqError CORRUPT_LOG  it was damaged on its way
   * @throws GomqError DISK_FULL    there is no room
   */
  install(beginOffset: Offset, chunks: AsyncIterable<Uint8Array>): Promise<void>
}

/** What a broker knows of its cluster, beside its log. */
export interface ReplicaRecord {
  /** '' until it belongs to one. */
  readonly clusterUuid: string
  /** The greatest epoch that it has accepted or won (R3). */
  readonly epoch: Epoch
  /** R2. */
  readonly coordinatorId: string
  readonly coordinatorRevision: number
  /** Its log was emptied to be filled anew, and does not yet hold what its snapshot needs: there is no state. */
  readonly isFilling: boolean
}

/** Keeps the {@link ReplicaRecord}. */
export interface ReplicaRecordStore {
  /** Undefined on a new disk. @throws GomqError CORRUPT_LOG */
  load(): Promise<ReplicaRecord | undefined>
  /** Replaces it as a whole; when it settles, it survives a crash. @throws GomqError DISK_FULL  there is no room; the old one is there */
  save(record: ReplicaRecord): Promise<void>
}
