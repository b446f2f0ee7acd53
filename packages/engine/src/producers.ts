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
import { PRODUCER_IDLE_MS } from './limits.js'
import { ProducerWindow } from './producer-window.js'
import type { StateRows } from './state-rows.js'

interface Producer {
  epoch: number
  /** Sequence of the next new record, modulo 2^32. */
  nextSequence: number
  /** Never empty. */
  window: ProducerWindow
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
    const { window } = producer
    const known = window.indexOf(first)
    if (known >= 0)
      return { kind: 'duplicate', baseOffset: window.baseOffset(known), endOffset: window.endOffset(known) }
    // Older than the window, or cut otherwise than it was.
    const age = (window.firstSequence(0) - first) >>> 0
    const isOlder = age >= count && age < 0x8000_0000
    const endOffset = isOlder ? window.baseOffset(0) : window.endOffset(-1)
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
      this.#producers.set(
        id,
        (producer = { epoch, nextSequence: 0, window: new ProducerWindow(), lastSeenMs: 0, lastOffset: -1 }),
      )
    if (baseOffset <= producer.lastOffset) return
    if (epoch !== producer.epoch) {
      producer.epoch = epoch
      producer.window = new ProducerWindow()
    }
    producer.nextSequence = (firstSequenceOf(batch) + count) >>> 0
    producer.window.push(firstSequenceOf(batch), baseOffset, baseOffset + count)
    producer.window.trim(highWatermark)
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
      if (lastOffset < first && lastSeenMs <= seenMs && window.endOffset(-1) <= highWatermark) idle.push(id)
    return idle
  }

  /** What was appended from `toOffset` on never was: the windows go back to what is below. */
  truncate(toOffset: number): void {
    for (const [id, producer] of this.#producers) {
      if (producer.lastOffset < toOffset) continue
      const { window } = producer
      window.truncate(toOffset)
      if (window.length === 0) this.#producers.delete(id)
      else {
        producer.nextSequence = window.nextSequence
        producer.lastOffset = window.baseOffset(-1)
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
      const numbers = producer.window.committed(highWatermark)
      if (numbers.length === 0) continue
      const [firstSequence, baseOffset, endOffset] = numbers.slice(-3) as [number, number, number]
      const nextSequence = (firstSequence + endOffset - baseOffset) >>> 0
      yield [id, producer.epoch, nextSequence, producer.lastSeenMs, baseOffset, numbers]
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
    const window = new ProducerWindow(length)
    while (window.length < length) window.push(rows.number(), rows.number(), rows.number())
    this.#producers.set(id, { epoch, nextSequence, window, lastSeenMs, lastOffset })
  }
}
