import { type Crc32, type Epoch, isControl, nextOffsetOf, type Offset, stampLeader } from '@gomq/protocol'
import { type ControlRecord, decodeControlBatch, encodeControlBatch } from './control-record.js'
import type { Outbox } from './outbox.js'

/** A batch between append and commit, with what is to happen then. */
export interface PendingBatch {
  readonly batch: Uint8Array
  /** Empty for a control batch. */
  readonly topic: string
  /** Who is told that it is safe; 0: nobody. */
  readonly connectionId: number
  /** 0: nobody waits for it. */
  readonly requestId: number
  readonly onCommitted: (() => void) | undefined
}

interface CommitWaiter {
  readonly endOffset: number
  readonly run: () => void
}

/**
 * The pending layer: batches that this leader has appended and that have not committed, in the order of the log. Nobody is promised or
 * delivered anything from here; decisions about a client whose records are under way wait for them.
 */
export class CommitQueue {
  readonly #outbox: Outbox
  readonly #crc32: Crc32
  readonly #epoch: Epoch
  #pending: PendingBatch[] = []
  #first = 0
  #waiters: CommitWaiter[] = []
  /** For clients with control records on their way: the end of the last one. In the order of these ends. */
  readonly #recordEnds = new Map<string, number>()
  #logEndOffset: Offset
  #lastAppendMs: number

  constructor(init: { outbox: Outbox; crc32: Crc32; epoch: Epoch; logEndOffset: Offset; lastAppendTimeMs: number }) {
    this.#outbox = init.outbox
    this.#crc32 = init.crc32
    this.#epoch = init.epoch
    this.#logEndOffset = init.logEndOffset
    this.#lastAppendMs = init.lastAppendTimeMs
  }

  /** Whether everything appended has committed. */
  get isEmpty(): boolean {
    return this.#first === this.#pending.length
  }

  get logEndOffset(): Offset {
    return this.#logEndOffset
  }

  /** Appends a checked data batch; `requestId` of the connection is answered when it has committed, 0 for none. Returns its offset. */
  append(batch: Uint8Array, topic: string, nowMs: number, connectionId: number, requestId: number): Offset {
    return this.#append({ batch, topic, connectionId, requestId, onCommitted: undefined }, nowMs)
  }

  /** Appends control records as one batch. */
  appendControl(records: readonly ControlRecord[], nowMs: number, onCommitted?: () => void): void {
    const batch = encodeControlBatch(records, nowMs, this.#crc32)
    this.#append({ batch, topic: '', connectionId: 0, requestId: 0, onCommitted }, nowMs)
    for (const record of records) {
      if (!('clientId' in record)) continue
      this.#recordEnds.delete(record.clientId)
      this.#recordEnds.set(record.clientId, this.#logEndOffset)
    }
  }

  /** The control records that have not committed, in the order of the log. */
  *pendingControl(): Generator<ControlRecord> {
    for (let at = this.#first; at < this.#pending.length; at++) {
      const { batch } = this.#pending[at]!
      if (isControl(batch)) yield* decodeControlBatch(batch)
    }
  }

  /** Runs `run` once everything below `endOffset` has committed; it has been appended and has not committed yet. */
  waitFor(endOffset: number, run: () => void): void {
    this.#waiters.push({ endOffset, run })
  }

  /** Runs `run` once no control record of the client is on its way: now, or when the last one has committed. */
  whenSettled(clientId: string, run: () => void): void {
    const endOffset = this.#recordEnds.get(clientId)
    if (endOffset === undefined) run()
    else this.waitFor(endOffset, run)
  }

  /** Whether control records of the client are on their way. */
  isUnsettled(clientId: string): boolean {
    return this.#recordEnds.has(clientId)
  }

  /** The next batch that ends at or below the high watermark, oldest first; undefined when there is none. */
  takeCommitted(highWatermark: Offset): PendingBatch | undefined {
    const pending = this.#pending[this.#first]
    if (pending === undefined || nextOffsetOf(pending.batch) > highWatermark) return undefined
    this.#first++
    if (this.#first === this.#pending.length || this.#first > 1024) {
      this.#pending = this.#pending.slice(this.#first)
      this.#first = 0
    }
    if (isControl(pending.batch)) this.#settle(nextOffsetOf(pending.batch))
    return pending
  }

  /** Runs who waits for what has committed, in the order of offsets. */
  runWaiters(highWatermark: Offset): void {
    if (this.#waiters.length === 0) return
    const ready = this.#waiters.filter((waiter) => waiter.endOffset <= highWatermark)
    this.#waiters = this.#waiters.filter((waiter) => waiter.endOffset > highWatermark)
    ready.sort((a, b) => a.endOffset - b.endOffset)
    for (const { run } of ready) run()
  }

  /** Forgets what was appended from `toOffset` on, and everybody who waits. What is below still commits. */
  truncate(toOffset: Offset): void {
    const kept = this.#pending.slice(this.#first).filter((pending) => nextOffsetOf(pending.batch) <= toOffset)
    this.#pending = kept.map((pending) => ({ ...pending, connectionId: 0, requestId: 0, onCommitted: undefined }))
    this.#first = 0
    this.#waiters = []
    this.#recordEnds.clear()
    this.#logEndOffset = toOffset
  }

  #append(pending: PendingBatch, nowMs: number): Offset {
    const baseOffset = this.#logEndOffset
    this.#lastAppendMs = Math.max(this.#lastAppendMs, nowMs)
    stampLeader(pending.batch, baseOffset, this.#epoch, this.#lastAppendMs)
    this.#logEndOffset = nextOffsetOf(pending.batch)
    this.#pending.push(pending)
    this.#outbox.append(pending.batch)
    return baseOffset
  }

  #settle(endOffset: number): void {
    for (const [clientId, end] of this.#recordEnds) {
      if (end > endOffset) return
      this.#recordEnds.delete(clientId)
    }
  }
}
