import {
  appendTimeMsOf,
  baseOffsetOf,
  batchBytesOf,
  type Epoch,
  epochOf,
  GomqError,
  InvariantError,
  invariant,
  lastOffsetDeltaOf,
  type Offset,
  recordCountOf,
} from '@gomq/protocol'
import type { Checkpoint } from './checkpoint.js'
import type { CleanedSegment } from './cleaned-segment-writer.js'
import { ColdReads } from './cold-reads.js'
import type { EpochEnd } from './epoch-starts.js'
import type { DirectoryLock } from './file-system.js'
import type { EpochStart } from './format/epoch-start.js'
import { IndexCache } from './index-cache.js'
import { loadIndex } from './index-file.js'
import { COLD_READS_MAX, OPEN_FILES_MAX } from './limits.js'
import { advanceStart, replaceSegments, requireSnapshotFrom } from './log-cleaning.js'
import type { LogContext } from './log-options.js'
import type { LogParts } from './log-parts.js'
import { LogReader, type ReadRequest, type ReadResult } from './log-reader.js'
import { replayLog } from './log-replay.js'
import { LogState } from './log-state.js'
import { truncateLog } from './log-truncation.js'
import { LogWriter } from './log-writer.js'
import type { RecoveredSegments, TornTail } from './recovery.js'
import type { SegmentView } from './segment.js'
import { SegmentFiles } from './segment-files.js'
import { TailCache } from './tail-cache.js'
import { Turns } from './turns.js'

/**
 * The commit log: record batches in order, each with its offsets, in segment files of one data directory. Made by `openLog`.
 *
 *     logStartOffset <= highWatermark <= syncedOffset <= writtenOffset <= logEndOffset
 *
 * One caller appends; any number read. Batches are opaque: only their headers are looked at.
 */
export class Log {
  readonly #lock: DirectoryLock
  readonly #parts: LogParts
  readonly #state: LogState
  readonly #writer: LogWriter
  readonly #tornTail: TornTail | undefined
  /** While appends are held back: a truncation, for example. */
  #rebuilding: Promise<void> | undefined
  /** Changes of the segments, one behind the other. */
  readonly #changes: Turns = new Turns()
  #isHurried = false
  #closing: Promise<void> | undefined

  /** @internal */
  constructor(context: LogContext, lock: DirectoryLock, recovered: RecoveredSegments, checkpoint?: Checkpoint) {
    const { fs, folder, crc32 } = context
    this.#lock = lock
    this.#tornTail = recovered.tornTail
    const state = new LogState(recovered.segments, checkpoint)
    const tail = new TailCache(context.tailCacheBytes)
    const files = new SegmentFiles(fs, OPEN_FILES_MAX)
    const indexes = new IndexCache(context.indexCacheBytes, (segment) =>
      files.use(segment.path, (file) => loadIndex(fs, folder, segment, file, crc32)),
    )
    const writer = new LogWriter(context, lock, state, tail, indexes, recovered.activeFile)
    this.#state = state
    this.#writer = writer
    const shared = { state, tail, indexes, files, coldReads: new ColdReads(COLD_READS_MAX) }
    const reader = new LogReader({ ...shared, crc32, checkAlive: () => this.#checkAlive() })
    this.#parts = { ...shared, context, writer, reader }
  }

  /** Identity of this copy of the log, made at random with the directory: 1 to 11 characters, 0-9 and a-z. */
  get storeId(): string {
    return this.#parts.context.storeId
  }
  /** First offset that can be read. */
  get logStartOffset(): Offset {
    return this.#state.logStartOffset
  }
  /** Everything below is committed: readers see no further. Moved by {@link setHighWatermark} only. */
  get highWatermark(): Offset {
    return this.#state.highWatermark
  }
  /** Everything below survives a crash. */
  get syncedOffset(): Offset {
    return this.#state.syncedOffset
  }
  /** Everything below is in the file, and its sync has begun; what members may get. */
  get writtenOffset(): Offset {
    return this.#state.writtenOffset
  }
  /** Offset that the next batch gets. */
  get logEndOffset(): Offset {
    return this.#state.logEndOffset
  }
  /** Append time of the last batch, ms since 1970: the next one's may not be less. 0 if the log is empty. */
  get lastAppendTimeMs(): number {
    return this.#state.lastAppendTimeMs
  }
  /** Every epoch that has records in the log, appended or synced, with its first offset; oldest first. */
  get epochStarts(): readonly EpochStart[] {
    return this.#state.epochs.all
  }
  /** What recovery cut because it had never been acknowledged; undefined if the last stop was in order or nothing was torn. */
  get tornTail(): TornTail | undefined {
    return this.#tornTail
  }
  /** The sealed segments, oldest first: all but the active one. */
  get sealedSegments(): readonly SegmentView[] {
    return this.#state.segments.slice(0, -1).map((segment) => segment.view)
  }
  /** Control records below may have been cleaned away: only a snapshot that begins here or later gives the state. 0 if none were. */
  get snapshotNeededFrom(): Offset {
    return this.#state.snapshotNeededFrom
  }

  /**
   * Names of the topics that the indexes in memory know, each as often as a segment knows it, in no particular order; a live walk. The
   * indexes of old segments may be on disk only, and a name may have lost its batches to a truncation.
   */
  *knownTopics(): Generator<string> {
    for (const { index } of this.#state.segments)
      if (index !== undefined) for (const name of index.names) if (name !== '') yield name
  }

  /** Puts down what recovery accepted. On a full disk the checkpoint that is there stays, unless a new one is needed. @internal */
  start(isNeeded: boolean): Promise<void> {
    return isNeeded ? this.#writer.checkpoint() : this.#writer.checkpointIfRoom()
  }

  /** Another process took the directory over: nothing is acknowledged any more. @internal */
  handleLockLost(error: GomqError): void {
    void this.#writer.fail(error)
  }

  /**
   * Appends a batch. It returns at once; `onSynced` tells when the batch is on disk, in the order of appends. A leader stamps a batch
   * before (`stampLeader`); a member appends what the leader stamped, as it is.
   *
   * The bytes belong to the log from now on: it seals the header in place (synced offset and header checksum, which are this disk's own)
   * and lends the bytes to readers. A batch in a much larger buffer is copied, unless it shares it (`sharesBuffer`) with those beside it. What waits for the disk is not bounded here: the caller
   * watches `logEndOffset - syncedOffset`, or the bytes behind it.
   *
   * Batches that break the log's order are a bug and throw InvariantError: the base offset must be `logEndOffset`, append time and epoch may
   * not go back.
   *
   * @throws GomqError CLOSED  the log is closed, or is closing
   * @throws GomqError         the one of `onFailure`, once the log has failed
   */
  append(batch: Uint8Array, sharesBuffer: boolean = false): void {
    this.#checkAlive()
    invariant(this.#rebuilding === undefined, 'a batch was appended while the log is being truncated')
    invariant(
      batchBytesOf(batch) === batch.byteLength,
      `a batch of ${batchBytesOf(batch)} bytes has ${batch.byteLength}`,
    )
    invariant(
      baseOffsetOf(batch) === this.logEndOffset,
      `a batch at offset ${baseOffsetOf(batch)} cannot follow a log that ends at ${this.logEndOffset}`,
    )
    invariant(
      appendTimeMsOf(batch) >= this.lastAppendTimeMs,
      `append time goes back from ${this.lastAppendTimeMs} to ${appendTimeMsOf(batch)}`,
    )
    invariant(
      epochOf(batch) >= this.#state.epochs.last,
      `the epoch goes back from ${this.#state.epochs.last} to ${epochOf(batch)}`,
    )
    // Recovery counts on it: the records of a torn tail have room in the bytes that are there (segment-scan.ts).
    invariant(lastOffsetDeltaOf(batch) === recordCountOf(batch) - 1, 'a sparse batch cannot be appended')
    this.#writer.append(batch, sharesBuffer)
  }

  /**
   * Commits everything below `offset`. It only rises, and not above `syncedOffset`; anything else throws InvariantError.
   *
   * @param offset  where a batch begins or the log ends
   */
  setHighWatermark(offset: Offset): void {
    this.#state.handleCommitted(offset)
  }

  /**
   * Reads whole batches from `from` up to, not including, `to` (the high watermark by default).
   *
   * The first may begin before `from` (skip its head), and at least one wanted batch is returned even if it alone exceeds `bytesMax`, so that
   * a reader always advances (KIP-74). One call looks at one segment at most and may return nothing although more follows:
   * read on at `nextOffset` until that is `to`.
   *
   *     log: [0..9][10..19][20..24]   high watermark 20
   *     read({ from: 12, bytesMax: 1 }) -> [10..19], nextOffset 20
   *
   * New batches come from memory and nothing is waited for. Others come from disk, verified, few reads at a time. `to` above `syncedOffset` is a
   * bug and throws InvariantError: nobody sees what a crash may take back.
   *
   * @throws GomqError OFFSET_OUT_OF_RANGE  `from` is below the log's start or above `to`; the message names the range
   * @throws GomqError CORRUPT_BATCH        a stored batch fails its checksum; the message names file, byte and offset
   * @throws GomqError CLOSED, or the one of `onFailure`
   */
  read(request: ReadRequest): Promise<ReadResult> {
    return this.#parts.reader.read(request)
  }

  /**
   * Visits every batch from `from` up to what is synced now, committed or not, control batches too: what recovery folds. A batch is lent for
   * the visit: its memory is used again, so that whoever keeps something of it copies.
   *
   * @param from  `logStartOffset <= from <= to`; inside a batch, that batch is visited first
   * @param to    where a batch begins, or the end, which is the default; not above `syncedOffset`
   * @throws as {@link read}, after the batches before were visited
   */
  replay(from: Offset, visit: (batch: Uint8Array) => void, to: Offset = this.syncedOffset): Promise<void> {
    return replayLog(this, from, to, visit)
  }

  /**
   * Offset of the first batch that was appended at `timeMs` (ms since 1970) or later; the high watermark if there is none, or none that
   * is committed.
   *
   * @throws GomqError CORRUPT_LOG  an index was damaged and so is its segment
   */
  async offsetForTime(timeMs: number): Promise<Offset> {
    this.#checkAlive()
    return this.#parts.reader.offsetForTime(timeMs)
  }

  /**
   * The greatest epoch at or below `epoch` that has records here, and the offset where they end: a member's answer to a leader who asks
   * where their logs part (RELIABILITY R13, KIP-279). Undefined if all epochs here are greater, or the log is empty.
   *
   *     epochs: 1 from 0, 2 from 40, 5 from 70; log end 90
   *     epochEnd(4) -> { epoch: 2, endOffset: 70 }
   */
  epochEnd(epoch: Epoch): EpochEnd | undefined {
    return this.#state.epochs.endOf(epoch, this.logEndOffset)
  }

  /**
   * Drops everything from `to` on, for good: when it settles, the log ends at `to`, all of it synced, and a crash brings nothing back. What
   * waits for the disk below `to` is written first; where the disk is full and stays so for 2 s, the log fails. Until it settles nothing may
   * be appended, and `onSynced` reports nothing; readers below `to` wait or go on.
   *
   * Another `to` than a batch's base or the log's end, one below the high watermark or above the log's end, and a second call meanwhile are
   * bugs and throw InvariantError.
   *
   * @throws GomqError the one of `onFailure`, if it could not be done: the log has failed
   */
  truncate(to: Offset): Promise<void> {
    this.#checkAlive()
    invariant(
      to >= this.highWatermark && to <= this.logEndOffset,
      `truncating to ${to}, outside high watermark ${this.highWatermark} to log end ${this.logEndOffset}`,
    )
    return this.rebuild(to, async (parts) => {
      if (to < this.syncedOffset) await truncateLog(parts, to)
      else this.#state.handleTruncated(to)
    })
  }

  /**
   * Runs `work` while nothing else changes the log or reads it from disk. What waits for the disk below `heldTo` is written first, the rest
   * dropped. Until it settles nothing may be appended. If it fails, but for a bug, the log has failed. One at a time.
   * @internal
   */
  rebuild(heldTo: Offset, work: (parts: LogParts) => Promise<void>): Promise<void> {
    this.#checkAlive()
    invariant(this.#rebuilding === undefined, 'the log is being truncated already')
    this.#rebuilding = this.#rebuild(heldTo, work).finally(() => void (this.#rebuilding = undefined))
    return this.#rebuilding
  }

  /** @internal */
  get parts(): LogParts {
    this.#checkAlive()
    return this.#parts
  }

  /**
   * Puts a cleaned segment in the place of the sealed segments that it covers exactly, and removes their files. Readers go on meanwhile; each
   * finds the old batches or the new ones. When it settles, a crash brings the old ones not back.
   *
   * A range that is not made of whole sealed segments below the high watermark, a generation that is not above theirs, and other epoch starts
   * than theirs are bugs and throw InvariantError; the log goes on.
   *
   * @throws GomqError CORRUPT_LOG  the head of the file is damaged; the log goes on
   * @throws GomqError DISK_FULL    the start could not be moved before, and the checkpoint that says so finds no room
   * @throws GomqError CLOSED       also when the log was closed before its turn came; the next start takes the cleaned segment all the same
   * @throws GomqError              the one of `onFailure`, if a file could not be removed: the log has failed
   */
  replaceSegments(cleaned: CleanedSegment): Promise<void> {
    return this.#change((parts) => replaceSegments(parts, cleaned))
  }

  /**
   * Moves the log's start up to `to`, and removes the segments below. Readers below fail with OFFSET_OUT_OF_RANGE from some moment on. Not
   * above the log's start: nothing happens. Another `to` than the base of a segment, or one above the high watermark, is a bug.
   *
   * @throws GomqError DISK_FULL  the checkpoint found no room: the log begins where it did; call again when there is room
   * @throws GomqError            CLOSED, or the one of `onFailure`
   */
  advanceStart(to: Offset): Promise<void> {
    return this.#change((parts) => advanceStart(parts, to))
  }

  /**
   * When it settles, control records below `offset` may be cleaned away: a later start that finds no snapshot from there on refuses. It only
   * rises; one lower than before changes nothing. Above `syncedOffset` is a bug.
   *
   * @throws as {@link advanceStart}
   */
  requireSnapshotFrom(offset: Offset): Promise<void> {
    return this.#change((parts) => requireSnapshotFrom(parts, offset))
  }

  /**
   * Whoever stops wants an end: from now on a full disk is waited for 2 s at most, all in all; then the log fails with DISK_FULL, and what was
   * not reported as synced is not stored. Again: nothing happens.
   */
  hurry(): void {
    this.#isHurried = true
    this.#writer.hurry()
  }

  /**
   * Closes the log: what was appended is written and reported, reads under way end, the lock is released. Later calls throw CLOSED. Again:
   * the same promise. After a failure, and on a disk that is full and stays so for 2 s, it only gives files and lock back.
   *
   * @throws Error  the last checkpoint could not be written; the log is closed all the same, and nothing synced is lost
   */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #change(work: (parts: LogParts) => Promise<void>): Promise<void> {
    this.#checkAlive()
    await this.#changes.take(async () => {
      this.#checkAlive()
      await work(this.#parts).catch((error) => this.#writer.failUnlessRefused(error))
    })
  }

  async #rebuild(heldTo: Offset, work: (parts: LogParts) => Promise<void>): Promise<void> {
    this.#writer.hold(heldTo)
    this.#writer.hurry()
    await this.#writer.idle()
    try {
      if (this.#writer.failure !== undefined) throw this.#writer.failure
      await this.#changes.take(() => this.#parts.coldReads.alone(() => work(this.#parts)))
    } catch (error) {
      if (!(error instanceof InvariantError)) await this.#writer.fail(error)
      throw this.#writer.failure ?? error
    }
    this.#writer.resume()
    if (!this.#isHurried) this.#writer.relax()
  }

  async #close(): Promise<void> {
    this.hurry()
    const { files, coldReads } = this.#parts
    await this.#rebuilding?.catch(() => undefined)
    await this.#writer.idle()
    try {
      await this.#changes.take(() =>
        coldReads.alone(async () => {
          await files.close()
          try {
            if (this.#writer.failure === undefined) await this.#writer.checkpoint()
          } finally {
            await this.#writer.close()
          }
        }),
      )
    } finally {
      await this.#lock.release()
    }
  }

  #checkAlive(): void {
    if (this.#writer.failure !== undefined) throw this.#writer.failure
    if (this.#closing !== undefined) throw new GomqError('CLOSED', 'the log is closed')
  }
}
