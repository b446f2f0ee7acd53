import { recordBytesBound } from '@gomq/protocol'
import { PARKED_BYTES_MAX, PARKED_PUBLISHES_MAX } from './limits.js'
import type { PublishAck } from './publish-batch.js'
import type { PublishRequest } from './publish-request.js'
import type { Waiter } from './waiter.js'

/** A publish that waits for room in the buffer. */
export interface ParkedPublish {
  readonly request: PublishRequest
  readonly waiter: Waiter<PublishAck>
  readonly deadlineMs: number
}

/** The publishes that wait for room, first come first served. Bounded in number and in the bytes that they hold. */
export class ParkedPublishes {
  #parked: ParkedPublish[] = []
  #bytes = 0

  /** Publishes that wait. */
  get count(): number {
    return this.#parked.length
  }

  /** Bytes that they hold, text as UTF-16. */
  get bytes(): number {
    return this.#bytes
  }

  /** Whether no further one may wait. */
  get isFull(): boolean {
    return this.#parked.length >= PARKED_PUBLISHES_MAX || this.#bytes >= PARKED_BYTES_MAX
  }

  add(parked: ParkedPublish): void {
    this.#parked.push(parked)
    this.#bytes += heldBytes(parked.request)
  }

  /** Forgets the publish of `waiter`. False: it does not wait here. */
  remove(waiter: Waiter<PublishAck>): boolean {
    const at = this.#parked.findIndex((parked) => parked.waiter === waiter)
    if (at < 0) return false
    this.#release(this.#parked.splice(at, 1))
    return true
  }

  /** Hands the first ones to `take`, in order, as long as there is room. */
  admit(hasRoom: () => boolean, take: (parked: ParkedPublish) => void): void {
    let taken = 0
    while (taken < this.#parked.length && hasRoom()) take(this.#parked[taken++]!)
    if (taken > 0) this.#release(this.#parked.splice(0, taken))
  }

  /** Takes out those whose deadline has come. */
  takeLate(nowMs: number): ParkedPublish[] {
    const late = this.#parked.filter((parked) => nowMs >= parked.deadlineMs)
    if (late.length === 0) return late
    this.#parked = this.#parked.filter((parked) => nowMs < parked.deadlineMs)
    this.#release(late)
    return late
  }

  /** Takes out all. */
  takeAll(): ParkedPublish[] {
    this.#bytes = 0
    return this.#parked.splice(0)
  }

  /** The earliest deadline, undefined if none waits. */
  nextDeadlineMs(): number | undefined {
    let earliest: number | undefined
    for (const { deadlineMs } of this.#parked)
      if (earliest === undefined || deadlineMs < earliest) earliest = deadlineMs
    return earliest
  }

  #release(parked: readonly ParkedPublish[]): void {
    for (const { request } of parked) this.#bytes -= heldBytes(request)
  }
}

/** What a request holds in memory: its value, and a bound of key and headers. */
function heldBytes({ value, key, headers }: PublishRequest): number {
  const valueBytes = typeof value === 'string' ? 2 * value.length : value.byteLength
  if (key === null && headers === null) return valueBytes
  return valueBytes + recordBytesBound({ timestampDeltaMs: 0, key, value: '', headers })
}
