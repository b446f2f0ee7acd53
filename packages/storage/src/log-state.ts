import { appendTimeMsOf, baseOffsetOf, epochOf, invariant, nextOffsetOf, type Offset } from '@gomq/protocol'
import { EpochStarts } from './epoch-starts.js'
import type { Segment } from './segment.js'

interface Offsets {
  readonly highWatermark: Offset
  readonly syncedOffset: Offset
  readonly logEndOffset: Offset
}

/**
 * What the parts of a log share: its segments, its epochs and its offsets.
 *
 *     logStartOffset <= highWatermark <= syncedOffset <= logEndOffset
 *
 *     |--- committed ---|--- on disk ----|--- appended, not yet on disk ---|
 *     logStart          highWatermark    synced                            logEnd
 *
 * Only {@link #set} moves the offsets, and it checks the line above.
 */
export class LogState {
  /** At least one, oldest first, without gaps; the last one is active and takes what is appended. */
  readonly segments: Segment[]
  readonly epochs: EpochStarts = new EpochStarts()
  #offsets: Offsets
  #lastAppendTimeMs = 0

  /** The state of a log that was just recovered: all of it is on disk, none of it is known to be committed. */
  constructor(segments: Segment[]) {
    this.segments = segments
    const end = this.active.endOffset
    this.#offsets = { highWatermark: this.logStartOffset, syncedOffset: end, logEndOffset: end }
    this.#set({})
    for (const segment of segments) {
      this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, segment.summary.lastTimeMs)
      for (const { epoch, startOffset } of segment.summary.epochStarts) this.epochs.add(epoch, startOffset)
    }
  }

  get active(): Segment {
    return this.segments.at(-1)!
  }
  get logStartOffset(): Offset {
    return this.segments[0]!.baseOffset
  }
  get highWatermark(): Offset {
    return this.#offsets.highWatermark
  }
  get syncedOffset(): Offset {
    return this.#offsets.syncedOffset
  }
  get logEndOffset(): Offset {
    return this.#offsets.logEndOffset
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

  /** A batch was appended. */
  handleAppended(batch: Uint8Array): void {
    this.#set({ logEndOffset: nextOffsetOf(batch) })
    this.#lastAppendTimeMs = appendTimeMsOf(batch)
    this.epochs.add(epochOf(batch), baseOffsetOf(batch))
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
    this.#set({ syncedOffset: to, logEndOffset: to })
    this.epochs.truncate(to)
    this.#lastAppendTimeMs = 0
    for (const segment of this.segments)
      this.#lastAppendTimeMs = Math.max(this.#lastAppendTimeMs, segment.summary.lastTimeMs)
  }

  #set(changed: Partial<Offsets>): void {
    const next = { ...this.#offsets, ...changed }
    invariant(
      this.logStartOffset <= next.highWatermark &&
        next.highWatermark <= next.syncedOffset &&
        next.syncedOffset <= next.logEndOffset,
      `log start ${this.logStartOffset} <= high watermark ${next.highWatermark} <= synced ${next.syncedOffset} <= log end ${next.logEndOffset}`,
    )
    this.#offsets = next
  }
}
