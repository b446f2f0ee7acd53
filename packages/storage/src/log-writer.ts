import { GomqError, InvariantError, nextOffsetOf, type Offset, sealHeader } from '@gomq/protocol'
import { writeActiveIndex } from './active-index.js'
import { type Checkpoint, writeCheckpoint } from './checkpoint.js'
import type { DirectoryLock, FileHandle } from './file-system.js'
import { FullDisk, isNoRoom } from './full-disk.js'
import type { IndexCache } from './index-cache.js'
import { writeIndex } from './index-file.js'
import { CHECKPOINT_INTERVAL_BYTES } from './limits.js'
import type { LogContext } from './log-options.js'
import type { LogState } from './log-state.js'
import { createSegment } from './recovery.js'
import { type Round, RoundQueue } from './round-queue.js'
import { type Segment, segmentName } from './segment.js'
import { putSyncMarker } from './sync-marker.js'
import { type TailCache, unpinned } from './tail-cache.js'
import { Turns } from './turns.js'
import { ZeroedAhead } from './zeroed-ahead.js'

/**
 * The group commit. While one round is written and synced, appended batches queue; the next round takes them all, or half if they are very many
 * ({@link RoundQueue}), so that one sync pays for everything that arrived during the one before.
 *
 *     append a   append b c d          append e
 *     |          |                     |
 *     [write a, sync]  [write b c d, sync]  [write e, sync]
 *             |      |            |       |         |     |
 *     written a   synced a        d       synced d  e     synced e
 *
 * What is written is final: no full disk takes it back any more, and the bytes change no more. Members get it while it is being synced here
 * (docs/decisions/0026).
 *
 * Each batch is sealed with the synced offset at the start of its round: recovery tells a torn tail by it (docs/decisions/0001).
 */
export class LogWriter {
  readonly #context: LogContext
  readonly #lock: DirectoryLock
  readonly #state: LogState
  readonly #tail: TailCache
  readonly #indexes: IndexCache
  /** The active segment's file. */
  #file: FileHandle
  readonly #zeroed: ZeroedAhead
  readonly #full: FullDisk
  readonly #queue: RoundQueue = new RoundQueue()
  #rounds: Promise<void> | undefined
  /** While a truncation is under way, where the log will end: what is synced is not reported, since it may be cut. */
  #heldTo: Offset | undefined
  #reportedOffset: Offset
  #failure: GomqError | undefined
  #bytesSinceCheckpoint = 0
  /** Writes of index files, one behind the other. */
  #indexWrites: Promise<void> = Promise.resolve()
  /** Writes of the checkpoint, one behind the other: rounds, cleaning and truncation all ask for them. */
  readonly #checkpoints: Turns = new Turns()

  constructor(
    context: LogContext,
    lock: DirectoryLock,
    state: LogState,
    tail: TailCache,
    indexes: IndexCache,
    file: FileHandle,
  ) {
    this.#context = context
    this.#lock = lock
    this.#state = state
    this.#tail = tail
    this.#indexes = indexes
    this.#file = file
    this.#zeroed = new ZeroedAhead(context.zeroAheadBytes)
    this.#full = new FullDisk(context)
    this.#reportedOffset = state.syncedOffset
  }

  /** Why nothing is written any more; undefined as long as all is well. */
  get failure(): GomqError | undefined {
    return this.#failure
  }

  /** Takes a batch for the next round; a copy if it keeps a much larger buffer alive, unless others beside it do as well. */
  append(batch: Uint8Array, sharesBuffer: boolean): void {
    this.#queue.push(sharesBuffer ? batch : unpinned(batch))
    this.#state.handleAppended(batch)
    this.#rounds ??= this.#run()
  }

  /** Settles when nothing is queued and no write is under way, also if the log has failed. */
  async idle(): Promise<void> {
    while (this.#rounds !== undefined) await this.#rounds
    await this.#indexWrites
  }

  /** Drops queued batches that reach beyond `to`, and reports nothing as synced until {@link resume}. */
  hold(to: Offset): void {
    this.#heldTo = to
    this.#dropHeld()
  }

  /** The truncation is over: reports what was synced meanwhile and is still there. */
  resume(): void {
    this.#heldTo = undefined
    this.#reportedOffset = Math.min(this.#reportedOffset, this.#state.syncedOffset) as Offset
    this.#report()
  }

  /** From now on a full disk is waited for a short while only; then the log fails with DISK_FULL. Again: nothing changes. */
  hurry(): void {
    this.#full.hurry()
  }

  /** Takes {@link hurry} back. */
  relax(): void {
    this.#full.relax()
  }

  /** Writes into the segment file `path` from now on: a sealed segment is active again. No round is under way. */
  async reopen(path: string): Promise<void> {
    await this.#file.close()
    this.#file = await this.#context.fs.open(path, 'write')
    this.#zeroed.forget()
  }

  /** Cuts the active segment's file, for good. No round is under way. */
  async cut(bytes: number): Promise<void> {
    await this.#file.truncate(bytes)
    await this.#file.sync()
    this.#zeroed.forget()
  }

  /** Cuts the zeros behind the log's end, for good: the active segment is sealed next. No round is under way. */
  trim(): Promise<void> {
    return this.#zeroed.trim(this.#file, this.#state.active.index!.bytes)
  }

  /** Writes the index of a segment that was just sealed, beside what follows. A failure loses nothing: it is rebuilt when it is needed. */
  writeIndexOf(sealed: Segment): void {
    const { fs, folder, crc32 } = this.#context
    const index = sealed.index!
    this.#indexWrites = this.#indexWrites
      .then(() => writeIndex(fs, folder, index, crc32))
      .catch(() => undefined)
      .then(() => this.#indexes.add(sealed))
  }

  /** Settles when no index file of a sealed segment is being written. */
  get indexWrites(): Promise<void> {
    return this.#indexWrites
  }

  /**
   * Writes what is known to be on disk when it is its turn.
   * @param announced  what it says otherwise than the state: before a truncation a lower synced offset, for example
   * @throws GomqError DISK_FULL  there is no room; the old one is there
   */
  checkpoint(announced: Partial<Checkpoint> = {}): Promise<void> {
    return this.#checkpoints.take(() => this.#full.needRoom(this.#writeCheckpoint(announced)))
  }

  /** Writes a checkpoint, unless the disk is full: it says what was true once, and so does the old one. */
  async checkpointIfRoom(): Promise<void> {
    try {
      await this.checkpoint()
    } catch (error) {
      if (!isDiskFull(error)) throw error
    }
  }

  /** Stops for good after an error and says why. Again: nothing happens. */
  async fail(cause: unknown): Promise<void> {
    if (this.#failure !== undefined) return
    const error = this.#failureFor(cause)
    this.#failure = error
    this.#queue.keep(() => false)
    if (error.code === 'STORAGE_FAILED') await this.#leaveMarker()
    this.#context.onFailure(error)
  }

  /** Fails and throws; but a bug of the caller, a file that is refused or a full disk, with which the log goes on, are only thrown. */
  async failUnlessRefused(error: unknown): Promise<never> {
    const isRefused = error instanceof GomqError && error.code !== 'STORAGE_FAILED'
    if (isRefused || error instanceof InvariantError || isNoRoom(error)) throw error
    await this.fail(error)
    throw this.#failure ?? error
  }

  /** Closes the file and leaves its index to the next start. Nothing is under way, and the checkpoint is written. */
  async close(): Promise<void> {
    const { fs, folder, crc32 } = this.#context
    const index = this.#state.active.index!
    try {
      if (this.#failure === undefined) await this.#zeroed.trim(this.#file, index.bytes)
    } catch (error) {
      // The next start writes behind the cut, into a file whose pages and size the disk may not have.
      await this.#leaveMarker()
      throw error
    } finally {
      await this.#file.close()
    }
    if (this.#failure === undefined) await writeActiveIndex(fs, folder, index, crc32)
  }

  async #run(): Promise<void> {
    try {
      // What comes in the same turn, from one socket or from many, goes in one round, and not the first batch alone in a round before it.
      await this.#context.gather()
      while (this.#queue.length > 0 && this.#failure === undefined) await this.#next()
      this.#full.handleWritten(true)
    } catch (error) {
      await this.fail(error)
    } finally {
      this.#rounds = undefined
    }
  }

  /** One round, or a new segment for it. On a full disk: one try, and the time until the next. */
  async #next(): Promise<void> {
    try {
      // Whoever has taken the directory over may have written where the log ends here. A truncation may drop what waits meanwhile.
      const confirmed = this.#lock.confirm()
      if (confirmed !== undefined) await confirmed
      if (this.#failure !== undefined || this.#queue.length === 0) return
      const round = this.#takeRound()
      if (round === undefined) await this.#roll()
      else await this.#commit(round)
    } catch (error) {
      if (!isDiskFull(error)) throw error
      if (this.#failure === undefined) await this.#full.wait(error)
    }
  }

  /** The next round; undefined if its first batch belongs into a new segment. */
  #takeRound(): Round | undefined {
    const index = this.#state.active.index!
    const { segmentBytes } = this.#context
    return this.#queue.take(this.#full.roundBytesMax, (batch, first, bytes) => {
      const start = index.bytes + bytes
      return (start === 0 || start + batch.byteLength <= segmentBytes) && index.fits(batch, first)
    })
  }

  async #commit(round: Round): Promise<void> {
    const { batches, bytes } = round
    const { crc32, segmentBytes } = this.#context
    const index = this.#state.active.index!
    for (const batch of batches) sealHeader(batch, this.#state.syncedOffset, crc32)
    await this.#write(round, index.bytes)
    for (const batch of batches) {
      index.add(batch)
      this.#tail.add(batch)
    }
    this.#state.handleWritten(index.endOffset)
    // Members are sent it before the sync begins, which may be over when the call returns.
    if (this.#heldTo === undefined && this.#failure === undefined) await this.#context.onWritten(index.endOffset)
    await this.#file.sync()
    this.#full.handleWritten(this.#queue.length === 0)
    // The lock may have been lost while the disk was busy, or the loop stood still: then nothing of this is acknowledged.
    const confirmed = this.#lock.confirm()
    if (confirmed !== undefined) await confirmed
    if (this.#failure !== undefined) return
    this.#state.handleSynced(index.endOffset)
    this.#report()
    this.#bytesSinceCheckpoint += bytes
    if (this.#bytesSinceCheckpoint >= CHECKPOINT_INTERVAL_BYTES) await this.checkpointIfRoom()
    if (this.#queue.length === 0) await this.#zeroed.handleSynced(this.#file, index.bytes, bytes, segmentBytes)
  }

  /** On a full disk, cuts what was written in part, so that the file ends with what is acknowledged, and queues the round again. */
  async #write(round: Round, position: number): Promise<void> {
    try {
      await this.#full.needRoom(this.#file.writev(round.batches, position))
    } catch (error) {
      if (!isDiskFull(error)) throw error
      await this.cut(position)
      if (this.#failure === undefined) this.#queue.putBack(round)
      this.#dropHeld()
      throw error
    }
  }

  /** Seals the active segment and begins a new one. The old one's index is written beside the rounds that follow. */
  async #roll(): Promise<void> {
    const { fs, folder } = this.#context
    const sealed = this.#state.active
    await this.trim()
    await this.#full.needRoom(this.#createFile(`${folder}/${segmentName(sealed.endOffset)}`))
    const created = await createSegment(fs, folder, sealed.endOffset)
    await this.#file.close()
    this.#file = created.file
    this.#state.handleRolled(created.segment)
    this.writeIndexOf(sealed)
    await this.checkpointIfRoom()
  }

  async #writeCheckpoint(announced: Partial<Checkpoint>): Promise<void> {
    const { fs, directory, crc32, storeId } = this.#context
    const { syncedOffset, epochs, promisedStartOffset: logStartOffset, promisedSnapshotNeed } = this.#state
    this.#bytesSinceCheckpoint = 0
    const checkpoint = {
      storeId,
      syncedOffset,
      epoch: epochs.last,
      logStartOffset,
      ...(promisedSnapshotNeed !== undefined && { snapshotNeededFrom: promisedSnapshotNeed }),
      ...announced,
    }
    await writeCheckpoint(fs, directory, checkpoint, crc32)
  }

  /** Makes the next segment's file beforehand: a disk without room for it is not a sync that fails. */
  async #createFile(path: string): Promise<void> {
    const file = await this.#context.fs.open(path, 'create')
    await file.close()
  }

  /** Drops queued batches that a truncation cuts. */
  #dropHeld(): void {
    const to = this.#heldTo
    if (to !== undefined) this.#queue.keep((batch) => nextOffsetOf(batch) <= to)
  }

  #report(): void {
    const { syncedOffset } = this.#state
    if (this.#heldTo !== undefined || syncedOffset === this.#reportedOffset) return
    this.#reportedOffset = syncedOffset
    this.#context.onSynced(syncedOffset)
  }

  #failureFor(cause: unknown): GomqError {
    if (cause instanceof GomqError) return cause
    if (cause instanceof InvariantError) return new GomqError('INTERNAL', cause.message, { cause })
    return new GomqError(
      'STORAGE_FAILED',
      `writing the log in ${this.#context.directory} failed: ${cause instanceof Error ? cause.message : String(cause)}; nothing more is acknowledged; mend the disk and start again`,
      { cause },
    )
  }

  async #leaveMarker(): Promise<void> {
    const { fs, directory } = this.#context
    try {
      await putSyncMarker(fs, directory)
    } catch {
      // The disk is failing. The marker lives in the page cache as long as what may lie there does, and that is what it is for.
    }
  }
}

/** Whether the log has said that there is no room. The operating system's own error, from a sync, is a failed sync. */
function isDiskFull(error: unknown): error is GomqError {
  return error instanceof GomqError && error.code === 'DISK_FULL'
}
