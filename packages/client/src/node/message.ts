import type { Headers, Offset } from '@gomq/protocol'
import type { DeliveredRecord } from '../session/delivery-queue.js'
import { decodeText, decodeValue } from '../session/value-codec.js'

/** Acknowledges an offset; the promise settles when the broker has it. */
export type Acknowledge = (offset: Offset) => Promise<void>

/** One message of a subscription. */
export class Message {
  readonly #delivered: DeliveredRecord
  readonly #acknowledge: Acknowledge

  /** @internal */
  constructor(delivered: DeliveredRecord, acknowledge: Acknowledge) {
    this.#delivered = delivered
    this.#acknowledge = acknowledge
  }

  get topic(): string {
    return this.#delivered.topic
  }

  get key(): string | Uint8Array | null {
    return this.#delivered.record.key
  }

  /**
   * What was published: text, bytes, or the value that was packed; objects have no prototype. Decoded at each call.
   * @throws GomqError BAD_RECORD  the bytes are not what the record says they are
   */
  get value(): unknown {
    const { value, isText, headers } = this.#delivered.record
    return decodeValue(value, isText, headers)
  }

  /** The value's bytes as text. @throws GomqError BAD_RECORD  they are not UTF-8 */
  get text(): string {
    return decodeText(this.#delivered.record.value)
  }

  /** The value's bytes, a view on what was received. */
  get bytes(): Uint8Array {
    return this.#delivered.record.value
  }

  get headers(): Headers | null {
    return this.#delivered.record.headers
  }

  /** -1 for a message that is in no log. */
  get offset(): Offset {
    return this.#delivered.offset
  }

  /** The producer's time in milliseconds since 1970. */
  get timestamp(): number {
    return this.#delivered.timestampMs
  }

  /**
   * Says that the message is done with. Resolves when the broker has that safely; at once if there is nothing to acknowledge.
   * Calling again is safe. Not awaiting is safe: a rejection that nobody looks at stays silent.
   * @throws GomqError CLOSED  the subscription or the client ended before the broker had it; it may be delivered again
   */
  ack(): Promise<void> {
    return this.#acknowledge(this.#delivered.offset)
  }
}
