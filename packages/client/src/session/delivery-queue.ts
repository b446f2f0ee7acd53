import { type DecodedRecord, type DeliveredRecords, NO_OFFSET, type Offset } from '@gomq/protocol'

/** A record on its way to the application. */
export interface DeliveredRecord {
  readonly topic: string
  readonly offset: Offset
  readonly timestampMs: number
  readonly record: DecodedRecord
}

interface Delivery {
  readonly records: DeliveredRecords
  /** Whether each record has to be held against `isRepeated`. */
  readonly mayRepeat: boolean
}

/** What was delivered and not yet handed to the iterator, in order. Records are decoded when they are handed out. */
export class DeliveryQueue {
  #deliveries: Delivery[] = []
  #at = 0
  #messages = 0
  #bytes = 0
  /** Messages and bytes that left since the last {@link takeConsumed}. */
  #consumedMessages = 0
  #consumedBytes = 0

  /** Records that wait. */
  get messages(): number {
    return this.#messages
  }

  /** Bytes of records that wait, as credit counts them. */
  get bytes(): number {
    return this.#bytes
  }

  get consumedMessages(): number {
    return this.#consumedMessages
  }

  get consumedBytes(): number {
    return this.#consumedBytes
  }

  /** Appends records; those whose offset `isRepeated` are dropped and count as consumed. */
  push(records: DeliveredRecords, isRepeated: ((offset: Offset) => boolean) | null): void {
    let bytes = 0
    for (let i = 0; i < records.count; i++) bytes += records.bytesAt(i)
    this.#messages += records.count
    this.#bytes += bytes
    const mayRepeat = isRepeated !== null
    if (mayRepeat) {
      // Offsets are judged now: what is new now is marked as delivered by the caller before the next push.
      const repeated = new Set<number>()
      for (let i = 0; i < records.count; i++) {
        const offset = records.offsetAt(i)
        if (offset !== NO_OFFSET && isRepeated(offset)) repeated.add(i)
      }
      if (repeated.size > 0) {
        this.#deliveries.push({ records, mayRepeat })
        this.#repeated.set(records, repeated)
        return
      }
    }
    this.#deliveries.push({ records, mayRepeat: false })
  }

  readonly #repeated = new WeakMap<DeliveredRecords, Set<number>>()

  /**
   * The next record, or undefined when none waits. A record that cannot be decoded is consumed all the same.
   * @throws GomqError BAD_RECORD
   */
  next(): DeliveredRecord | undefined {
    for (;;) {
      const delivery = this.#deliveries[0]
      if (delivery === undefined) return undefined
      const { records } = delivery
      if (this.#at >= records.count) {
        this.#deliveries.shift()
        this.#at = 0
        continue
      }
      const index = this.#at++
      const bytes = records.bytesAt(index)
      this.#messages--
      this.#bytes -= bytes
      this.#consumedMessages++
      this.#consumedBytes += bytes
      if (delivery.mayRepeat && this.#repeated.get(records)!.has(index)) continue
      const record = records.record(index)
      const timestampMs = records.baseTimestampMs + record.timestampDeltaMs
      return { topic: records.topic, offset: records.offsetAt(index), timestampMs, record }
    }
  }

  /** Starts counting what is consumed anew. */
  resetConsumed(): void {
    this.#consumedMessages = 0
    this.#consumedBytes = 0
  }

  /** Forgets what waits. */
  clear(): void {
    this.#deliveries = []
    this.#at = 0
    this.#messages = 0
    this.#bytes = 0
  }
}
