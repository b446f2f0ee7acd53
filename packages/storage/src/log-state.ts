import { appendTimeMsOf, baseOffsetOf, epochOf, invariant, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { Checkpoint } from './checkpoint.js'
import { EpochStarts } from './epoch-starts.js'
import type { Segment } from './segment.js'

interface Offsets {
  readonly highWatermark: Offset
  readonly syncedOffset: Offset
  readonly writtenOffset: Offset
  readonly logEndOffset: Offset
}

/**
 * What the parts of a log share: its segments, its epochs and its offsets.
 *
 *     logStartOffset <= highWatermark <= syncedOffset <= writtenOffset <= logEndOffset
 *
 *     |--- committed ---|--- on disk ---|--- being synced ---|--- not yet in the file ---|
 *     logStart          highWatermark   synced               written                     logEnd
 *
 * Only {@link #set} moves the offsets, and it checks the line above.
 */
export class LogState {
  #segments: readonly Segment[]
  readonly epochs: EpochStarts = new EpochStarts()
  #highWatermark: Offset
  #syncedOffset: Offset
  #writtenOffset: Offset
  #logEndOffset: Offset
  #lastAppendTimeMs = 0
  #promisedStartOffset: Offset
  #isStartInDoubt = false
  #snapshotNeededFrom: Offset

  /**
   * The state of a log that was just recovered: all of it is on disk, none of it is known to be committed.
   * @param checkpoint  what was known before; undefined if nothing was
   */
  constructor(
    segments: readonly Segment[],
    checkpoint?: Pick<Checkpoint, 'epoch' | 'snapshotNeededFrom' | 'receivingTo'>,
  ) {
    this.#segments = segments
    this.#promisedStartOffset = this.logStartOffset
    // Unless the checkpoint knows: below the end of a cleaned segment control records may be gone. In one that a repair made they are not.
    const cleanedTo = segments.findLast((segment) => segment.generation > 0)?.endOffset ?? 0
    this.#snapshotNeededFrom = (checkpoint?.snapshotNeededFrom ?? cleanedTo) as Offset
    // One that was received just before a crash.
    if (checkpoint?.receivingTo === cleanedTo)
      this.#snapshotNeededFrom = Math.max(this.#snapshotNeededFrom, cleanedTo) as Offset
    const end = this.active.endOffset
    this.#highWatermark = this.logStartOffset
    this.#syncedOffset = end
    this.#writtenOffset = end
    this.#logEndOffset = end
    this.#set({})
    for (const segment of segments) {
      this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, segment.summary.lastTimeMs)
      for (const { epoch, startOffset } of segment.summary.epochStarts) this.epochs.add(epoch, startOffset)
    }
    // No batch is left that tells it, and the next epoch must be greater.
    if (this.epochs.last === 0 && checkpoint !== undefined && checkpoint.epoch > 0 && this.logStartOffset > 0)
      this.epochs.add(checkpoint.epoch, this.logStartOffset)
  }

  /**
   * At least one, oldest first, without gaps between them; the last one is active and takes what is appended. A change makes a new list, so
   * that whoever walks over one goes on in it.
   */
  get segments(): readonly Segment[] {
    return this.#segments
  }
  get active(): Segment {
    return this.#segments.at(-1)!
  }
  get logStartOffset(): Offset {
    return this.#segments[0]!.baseOffset
  }
  /** What a checkpoint says of the log's start: above {@link logStartOffset} while what is below is on its way out. */
  get promisedStartOffset(): Offset {
    return this.#promisedStartOffset
  }
  /** Whether the checkpoint on the disk may still say a start that was promised and taken back. */
  get isStartInDoubt(): boolean {
    return this.#isStartInDoubt
  }
  /** Control records below may have been cleaned away; 0 if none were. */
  get snapshotNeededFrom(): Offset {
    return this.#snapshotNeededFrom
  }
  /** What the checkpoint is to say of it: nothing as long as no segment has gaps. */
  get promisedSnapshotNeed(): Offset | undefined {
    const hasGaps = this.#snapshotNeededFrom > 0 || this.#segments.some((segment) => segment.generation > 0)
    return hasGaps ? this.#snapshotNeededFrom : undefined
  }
  get highWatermark(): Offset {
    return this.#highWatermark
  }
  get syncedOffset(): Offset {
    return this.#syncedOffset
  }
  get writtenOffset(): Offset {
    return this.#writtenOffset
  }
  get logEndOffset(): Offset {
    return this.#logEndOffset
  }
  get lastAppendTimeMs(): number {
    return this.#lastAppendTimeMs
  }

  /** The segment that holds `offset`, or would if the log were longer; `offset` is at or above the log's start. */
  segmentFor(offset: Offset): Segment {
    invariant(offset >= this.logStartOffset, `offset ${offset} is below the log's start ${this.logStartOffset}`)
    let low = 0
    let high = this.segments.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.segments[middle]!.baseOffset <= offset) low = middle + 1
      else high = middle
    }
    return this.segments[low - 1]!
  }

  /** A new active segment was begun at the end of the last one. */
  handleRolled(segment: Segment): void {
    invariant(
      segment.baseOffset === this.active.endOffset,
      `a segment at ${segment.baseOffset} behind ${this.active.endOffset}`,
    )
    this.#segments = [...this.#segments, segment]
  }

  /** The active segment is gone; the one before it is active. */
  handleLastDropped(): void {
    invariant(this.#segments.length > 1, 'the only segment was dropped')
    this.#segments = this.#segments.slice(0, -1)
  }

  /** `cleaned` has taken the place of the segments that it covers exactly, none of them active; they are returned. */
  handleReplaced(cleaned: Segment): readonly Segment[] {
    const replaced = this.coveredBy(cleaned)
    const first = this.#segments.indexOf(replaced[0]!)
    this.#segments = this.#segments.toSpliced(first, replaced.length, cleaned)
    this.#snapshotNeededFrom = Math.max(this.#snapshotNeededFrom, cleaned.endOffset) as Offset
    return replaced
  }

  /** The sealed segments from `baseOffset` to `endOffset`; that both are where a segment begins is the caller's promise, and checked. */
  coveredBy({
    baseOffset,
    endOffset,
  }: {
    readonly baseOffset: Offset
    readonly endOffset: Offset
  }): readonly Segment[] {
    const first = this.#segments.findIndex((segment) => segment.baseOffset === baseOffset)
    const next = this.#segments.findIndex((segment) => segment.baseOffset === endOffset)
    invariant(first !== -1 && next > first, `no sealed segments reach from offset ${baseOffset} to ${endOffset}`)
    const start = this.#promisedStartOffset
    invariant(
      start <= baseOffset || start >= endOffset,
      `the log is to begin at ${start}, inside ${baseOffset} to ${endOffset}`,
    )
    return this.#segments.slice(first, next)
  }

  /** Checkpoints say from now on that the log begins at `to`, where a segment begins. */
  handleStartPromised(to: Offset): void {
    invariant(
      to <= this.highWatermark && this.#segments.some((segment) => segment.baseOffset === to),
      `the log's start moves to ${to}, where no segment begins or nothing is committed`,
    )
    this.#promisedStartOffset = Math.max(this.#promisedStartOffset, to) as Offset
  }

  /** The promise could not be kept: checkpoints say again where the log begins. One that was under way may have said otherwise. */
  handleStartTakenBack(): void {
    this.#promisedStartOffset = this.logStartOffset
    this.#isStartInDoubt = true
  }

  /** The checkpoint on the disk says {@link promisedStartOffset}. */
  handleStartWritten(): void {
    this.#isStartInDoubt = false
  }

  /** The log begins at {@link promisedStartOffset}; the segments that are below are returned. */
  handleStartAdvanced(): readonly Segment[] {
    const kept = this.#segments.findIndex((segment) => segment.baseOffset === this.#promisedStartOffset)
    invariant(kept !== -1, `no segment begins at ${this.#promisedStartOffset}`)
    const dropped = this.#segments.slice(0, kept)
    this.#segments = this.#segments.slice(kept)
    this.epochs.advance(this.logStartOffset)
    this.#set({})
    return dropped
  }

  /** Control records below `offset` may be cleaned away. */
  handleSnapshotNeeded(offset: Offset): void {
    invariant(
      offset <= this.syncedOffset,
      `a snapshot is needed from ${offset}, above what is on disk, ${this.syncedOffset}`,
    )
    this.#snapshotNeededFrom = Math.max(this.#snapshotNeededFrom, offset) as Offset
  }

  /** A batch was appended. */
  handleAppended(batch: Uint8Array): void {
    this.#set({ logEndOffset: nextOffsetOf(batch) })
    this.#lastAppendTimeMs = appendTimeMsOf(batch)
    this.epochs.add(epochOf(batch), baseOffsetOf(batch))
  }

  /** Everything below `offset` is in the file, and its sync is under way. */
  handleWritten(offset: Offset): void {
    invariant(offset >= this.writtenOffset, `the written offset goes back from ${this.writtenOffset} to ${offset}`)
    this.#set({ writtenOffset: offset })
  }

  /** Everything below `offset` is on disk. */
  handleSynced(offset: Offset): void {
    invariant(offset >= this.syncedOffset, `the synced offset goes back from ${this.syncedOffset} to ${offset}`)
    this.#set({ syncedOffset: offset })
  }

  /** Everything below `offset` is committed. */
  handleCommitted(offset: Offset): void {
    invariant(offset >= this.highWatermark, `the high watermark goes back from ${this.highWatermark} to ${offset}`)
    this.#set({ highWatermark: offset })
  }

  /** The log ends at `to` now, all of it on disk; the segments were cut before. */
  handleTruncated(to: Offset): void {
    invariant(this.active.endOffset === to, `the last segment ends at ${this.active.endOffset} and not at ${to}`)
    this.#set({ syncedOffset: to, writtenOffset: to, logEndOffset: to })
    this.epochs.truncate(to)
    this.#lastAppendTimeMs = 0
    for (const segment of this.segments)
      this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, segment.summary.lastTimeMs)
  }

  /** A cleaned segment was received and stands behind the log's end, and `active` behind it. One without batches has made room. */
  handleReceived(cleaned: Segment, active: Segment): void {
    const end = this.active.endOffset
    invariant(
      end === this.logEndOffset && cleaned.baseOffset === end && cleaned.endOffset === active.baseOffset,
      `a segment from ${cleaned.baseOffset} to ${cleaned.endOffset} behind ${end}, before ${active.baseOffset}`,
    )
    const kept = this.active.baseOffset === end ? this.#segments.slice(0, -1) : this.#segments
    this.#segments = [...kept, cleaned, active]
    const to = active.baseOffset
    this.#set({ syncedOffset: to, writtenOffset: to, logEndOffset: to })
    for (const { epoch, startOffset } of cleaned.summary.epochStarts) this.epochs.add(epoch, startOffset)
    this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, cleaned.summary.lastTimeMs)
    this.#snapshotNeededFrom = Math.max(this.#snapshotNeededFrom, cleaned.endOffset) as Offset
  }

  /** Everything is gone; the log begins, and goes on, in `active`. */
  handleEmptied(active: Segment): void {
    const at = active.baseOffset
    this.#segments = [active]
    this.#promisedStartOffset = at
    this.#snapshotNeededFrom = at
    this.#lastAppendTimeMs = 0
    this.epochs.truncate(0 as Offset)
    this.#set({ highWatermark: at, syncedOffset: at, writtenOffset: at, logEndOffset: at })
  }

  /** Without an object of all four: each batch comes by here. */
  #set({
    highWatermark = this.#highWatermark,
    syncedOffset = this.#syncedOffset,
    writtenOffset = this.#writtenOffset,
    logEndOffset = this.#logEndOffset,
  }: Partial<Offsets>): void {
    invariant(
      this.logStartOffset <= highWatermark &&
        highWatermark <= syncedOffset &&
        syncedOffset <= writtenOffset &&
        writtenOffset <= logEndOffset,
      `log start ${this.logStartOffset} <= high watermark ${highWatermark} <= synced ${syncedOffset} <= written ${writtenOffset} <= log end ${logEndOffset}`,
    )
    this.#highWatermark = highWatermark
    this.#syncedOffset = syncedOffset
    this.#writtenOffset = writtenOffset
    this.#logEndOffset = logEndOffset
  }
}
