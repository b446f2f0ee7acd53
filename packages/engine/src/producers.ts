import {
  appendTimeMsOf,
  baseOffsetOf,
  firstSequenceOf,
  GomqError,
  NO_OFFSET,
  type Offset,
  producerEpochOf,
  producerIdOf,
  recordCountOf,
} from '@gomq/protocol'
import { PRODUCER_IDLE_MS, PRODUCER_WINDOW_BATCHES } from './limits.js'
import type { StateRows } from './state-rows.js'

/** A batch in a producer's window. */
interface WindowEntry {
  readonly firstSequence: number
  readonly baseOffset: Offset
  /** Offset after the batch: below the high watermark, it is committed. */
  readonly endOffset: number
}

interface Producer {
  epoch: number
  /** Sequence of the next new record, modulo 2^32. */
  nextSequence: number
  /** The last batches that have committed, and those that have not; oldest first, never empty. */
  window: WindowEntry[]
  lastSeenMs: number
  lastOffset: number
}

/** What a batch of an idempotent producer is. */
export type SequenceVerdict =
  | { readonly kind: 'new' }
  /** It was stored before; `endOffset` says when that is committed. NO_OFFSET: where is not remembered. */
  | { readonly kind: 'duplicate'; readonly baseOffset: Offset; readonly endOffset: number }

/**
 * The dedupe windows of all producers, over committed and pending batches alike: both decide whether a batch is new. What a truncation
 * takes back is rebuilt by the caller from the committed log.
 */
export class Producers {
  readonly #producers = new Map<number, Producer>()

  /** Producers that are known. */
  get count(): number {
    return this.#producers.size
  }

  /**
   * Whether a batch may be appended.
   * @throws GomqError PRODUCER_FENCED, OUT_OF_SEQUENCE, OUTCOME_UNKNOWN
   */
  judge(batch: Uint8Array): SequenceVerdict {
    const id = producerIdOf(batch)
    if (id === 0) return { kind: 'new' }
    const epoch = producerEpochOf(batch)
    const first = firstSequenceOf(batch)
    const producer = this.#producers.get(id)
    if (producer === undefined) {
      if (first === 0) return { kind: 'new' }
      throw new GomqError(
        'OUTCOME_UNKNOWN',
        `the broker does not know producer ${id} any more, and its batch begins with sequence ${first}; whether it was stored cannot be told; connect as a new producer`,
      )
    }
    if (epoch < producer.epoch) {
      throw new GomqError(
        'PRODUCER_FENCED',
        `producer ${id} publishes with epoch ${epoch} and epoch ${producer.epoch} is at work; stop the older one`,
      )
    }
    if (epoch > producer.epoch) {
      if (first === 0) return { kind: 'new' }
      throw new GomqError(
        'OUT_OF_SEQUENCE',
        `the first batch of epoch ${epoch} of producer ${id} begins with sequence ${first}; expected 0`,
      )
    }
    if (first === producer.nextSequence) return { kind: 'new' }
    const behind = (producer.nextSequence - first) >>> 0
    if (behind >= 0x8000_0000) {
      throw new GomqError(
        'OUT_OF_SEQUENCE',
        `producer ${id} sent sequence ${first}; expected ${producer.nextSequence}; the batch before it was refused or never came`,
      )
    }
    const count = recordCountOf(batch)
    if (count > behind) {
      throw new GomqError(
        'OUT_OF_SEQUENCE',
        `producer ${id} sent ${count} records from sequence ${first}, and the first ${behind} were sent before; send a batch again as it was`,
      )
    }
    const known = producer.window.find((entry) => entry.firstSequence === first)
    if (known !== undefined) return { kind: 'duplicate', baseOffset: known.baseOffset, endOffset: known.endOffset }
    // Older than the window, or cut otherwise than it was.
    const oldest = producer.window[0]!
    const age = (oldest.firstSequence - first) >>> 0
    const isOlder = age >= count && age < 0x8000_0000
    const endOffset = isOlder ? oldest.baseOffset : producer.window.at(-1)!.endOffset
    return { kind: 'duplicate', baseOffset: NO_OFFSET, endOffset }
  }

  /**
   * Takes in a batch that is in the log. Batches that are known already change nothing.
   * @param highWatermark  below it everything has committed; what has not stays in the window beside what it remembers
   */
  apply(batch: Uint8Array, highWatermark: number = Number.POSITIVE_INFINITY): void {
    const id = producerIdOf(batch)
    if (id === 0) return
    const baseOffset = baseOffsetOf(batch)
    const count = recordCountOf(batch)
    const epoch = producerEpochOf(batch)
    let producer = this.#producers.get(id)
    if (producer === undefined)
      this.#producers.set(id, (producer = { epoch, nextSequence: 0, window: [], lastSeenMs: 0, lastOffset: -1 }))
    if (baseOffset <= producer.lastOffset) return
    if (epoch !== producer.epoch) {
      producer.epoch = epoch
      producer.window = []
    }
    producer.nextSequence = (firstSequenceOf(batch) + count) >>> 0
    const entry = { firstSequence: firstSequenceOf(batch), baseOffset, endOffset: baseOffset + count }
    // Most producers have one batch: a list that grows from nothing has room for 17.
    if (producer.window.length === 0) producer.window = [entry]
    else producer.window.push(entry)
    trim(producer.window, highWatermark)
    producer.lastSeenMs = appendTimeMsOf(batch)
    producer.lastOffset = baseOffset
  }

  /** Producers that have been idle for 7 days. */
  idle(nowMs: number): number[] {
    const idle: number[] = []
    for (const [id, producer] of this.#producers) if (nowMs - producer.lastSeenMs > PRODUCER_IDLE_MS) idle.push(id)
    return idle
  }

  /** Whether the batch is of a producer that is not known. */
  isUnknown(batch: Uint8Array): boolean {
    const id = producerIdOf(batch)
    return id !== 0 && !this.#producers.has(id)
  }

  /** Up to `count` producers that have been idle for longest, since `seenMs` at least. None with a batch that has not committed. */
  longestIdle(count: number, seenMs: number, highWatermark: number): number[] {
    const offsets = new Float64Array(this.#producers.size)
    let i = 0
    for (const producer of this.#producers.values()) offsets[i++] = producer.lastOffset
    const first = offsets.sort()[count] ?? Number.POSITIVE_INFINITY
    const idle: number[] = []
    for (const [id, { lastOffset, lastSeenMs, window }] of this.#producers)
      if (lastOffset < first && lastSeenMs <= seenMs && window.at(-1)!.endOffset <= highWatermark) idle.push(id)
    return idle
  }

  /** What was appended from `toOffset` on never was: the windows go back to what is below. */
  truncate(toOffset: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastOffset < toOffset) continue
      producer.window = producer.window.filter((entry) => entry.endOffset <= toOffset)
      const last = producer.window.at(-1)
      if (last === undefined) this.#producers.delete(id)
      else {
        producer.nextSequence = sequenceAfter(last)
        producer.lastOffset = last.baseOffset
      }
    }
  }

  /** Forgets producers that have published nothing since `offset`, that of the record that says so. */
  forget(ids: readonly number[], offset: number): void {
    for (const id of ids) if ((this.#producers.get(id)?.lastOffset ?? Infinity) < offset) this.#producers.delete(id)
  }

  /** Everything, as arrays for a snapshot; a live walk. */
  *entries(highWatermark: number): Generator<unknown[]> {
    for (const [id, producer] of this.#producers) {
      const window = producer.window.filter((entry) => entry.endOffset <= highWatermark).slice(-PRODUCER_WINDOW_BATCHES)
      const last = window.at(-1)
      if (last === undefined) continue
      yield [
        id,
        producer.epoch,
        sequenceAfter(last),
        producer.lastSeenMs,
        last.baseOffset,
        window.flatMap((e) => [e.firstSequence, e.baseOffset, e.endOffset]),
      ]
    }
  }

  /** Takes back the next of what {@link entries} gave. */
  restore(rows: StateRows): void {
    const id = rows.number()
    const epoch = rows.number()
    const nextSequence = rows.number()
    const lastSeenMs = rows.number()
    const lastOffset = rows.number()
    const length = rows.number() / 3
    const window = [takeEntry(rows)]
    while (window.length < length) window.push(takeEntry(rows))
    this.#producers.set(id, { epoch, nextSequence, window, lastSeenMs, lastOffset })
  }
}

function takeEntry(rows: StateRows): WindowEntry {
  return { firstSequence: rows.number(), baseOffset: rows.number() as Offset, endOffset: rows.number() }
}

/** Sequence of the record that follows a batch, modulo 2^32. */
function sequenceAfter(entry: WindowEntry): number {
  return (entry.firstSequence + entry.endOffset - entry.baseOffset) >>> 0
}

/** Forgets the oldest batches, down to the window that is remembered beside what has not committed. */
function trim(window: WindowEntry[], highWatermark: number): void {
  let excess = 0
  while (window.length - excess > PRODUCER_WINDOW_BATCHES) {
    if (window[excess + PRODUCER_WINDOW_BATCHES]!.endOffset > highWatermark) break
    excess++
  }
  if (excess > 0) window.splice(0, excess)
}
