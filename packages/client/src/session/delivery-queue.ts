import type { DeliveredRecords } from '@gomq/protocol'

/** A delivery that is compacted away once this many are read, so that a long queue costs no shift for each. */
const READ_DELIVERIES_MAX = 64

interface Delivery {
  readonly records: DeliveredRecords
  /** Records before it are not handed out. */
  readonly start: number
}

/**
 * What was delivered and not yet handed to the application, in order: a cursor over deliveries. Nothing is decoded here.
 *
 * Every record is waiting or consumed; consumed ones are counted until {@link resetConsumed}, so that their credit can be given back.
 */
export class DeliveryQueue {
  #deliveries: Delivery[] = []
  #head = 0
  #records: DeliveredRecords | null = null
  #index = -1
  #messages = 0
  #bytes = 0
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

  /** Records that left since the last {@link resetConsumed}. */
  get consumedMessages(): number {
    return this.#consumedMessages
  }

  /** Bytes of records that left since the last {@link resetConsumed}. */
  get consumedBytes(): number {
    return this.#consumedBytes
  }

  /** The delivery that {@link advance} stopped in. Only after it returned true. */
  get records(): DeliveredRecords {
    return this.#records!
  }

  /** The record in {@link records} that {@link advance} stopped at. */
  get index(): number {
    return this.#index
  }

  /**
   * Appends records.
   * @param start  those before it, 0 to `records.count`, are dropped and count as consumed
   */
  push(records: DeliveredRecords, start: number): void {
    let droppedBytes = 0
    for (let i = 0; i < start; i++) droppedBytes += records.bytesAt(i)
    this.#consumedMessages += start
    this.#consumedBytes += droppedBytes
    if (start === records.count) return
    this.#messages += records.count - start
    this.#bytes += records.bytes - droppedBytes
    this.#deliveries.push({ records, start })
  }

  /** Moves to the next record, which counts as consumed from now on. False: none waits. */
  advance(): boolean {
    let records = this.#records
    if (records === null || this.#index + 1 >= records.count) {
      if (!this.#nextDelivery()) return false
      records = this.#records!
    } else this.#index++
    const bytes = records.bytesAt(this.#index)
    this.#messages--
    this.#bytes -= bytes
    this.#consumedMessages++
    this.#consumedBytes += bytes
    return true
  }

  /** Starts counting what is consumed anew. */
  resetConsumed(): void {
    this.#consumedMessages = 0
    this.#consumedBytes = 0
  }

  /** Forgets what waits. */
  clear(): void {
    this.#deliveries = []
    this.#head = 0
    this.#records = null
    this.#messages = 0
    this.#bytes = 0
  }

  #nextDelivery(): boolean {
    this.#records = null
    if (this.#head === this.#deliveries.length) return false
    const { records, start } = this.#deliveries[this.#head++]!
    this.#records = records
    this.#index = start
    if (this.#head === this.#deliveries.length || this.#head >= READ_DELIVERIES_MAX) {
      this.#deliveries = this.#deliveries.slice(this.#head)
      this.#head = 0
    }
    return true
  }
}
