import type { DecodedRecord, DeliveredRecords, Headers, Offset } from '@gomq/protocol'
import type { AckGroup } from '../session/ack-group.js'
import { decodeText, decodeValue } from '../session/value-codec.js'

/** Where a message is acknowledged. */
export interface MessageOwner {
  /** Takes the acknowledgement of an offset; undefined if there is nobody to tell. */
  ack(offset: Offset): AckGroup | undefined
  /** Settles when the group does. */
  settled(group: AckGroup | undefined): Promise<void>
}

/** One message of a subscription. It is decoded when it is looked at. */
export class Message {
  /** Its place in the broker's log; -1 for a message that is in no log (QoS 0 without retain). Ascends within a subscription. */
  readonly offset: Offset
  readonly #records: DeliveredRecords
  readonly #index: number
  readonly #owner: MessageOwner
  #record: DecodedRecord | undefined
  #group: AckGroup | undefined

  /** @internal */
  constructor(records: DeliveredRecords, index: number, owner: MessageOwner) {
    this.offset = records.offsetAt(index)
    this.#records = records
    this.#index = index
    this.#owner = owner
  }

  /** Topic that it was published to. */
  get topic(): string {
    return this.#records.topic
  }

  /** @throws GomqError BAD_RECORD  the record cannot be decoded; it can be acknowledged all the same */
  get key(): string | Uint8Array | null {
    return this.#decoded().key
  }

  /**
   * What was published: text, bytes, or the value that was packed; objects have no prototype. Decoded at each call.
   * @throws GomqError BAD_RECORD  the bytes are not what the record says they are; the message can be acknowledged all the same
   */
  get value(): unknown {
    const { value, isText, headers } = this.#decoded()
    return decodeValue(value, isText, headers)
  }

  /** The value's bytes as text. @throws GomqError BAD_RECORD  they are not UTF-8, or the record cannot be decoded */
  get text(): string {
    return decodeText(this.#decoded().value)
  }

  /** The value's bytes, a view on what was received: copy what is kept for long. @throws GomqError BAD_RECORD */
  get bytes(): Uint8Array {
    return this.#decoded().value
  }

  /** Null for none; an object without a prototype. @throws GomqError BAD_RECORD */
  get headers(): Headers | null {
    return this.#decoded().headers
  }

  /** The producer's time in milliseconds since 1970. @throws GomqError BAD_RECORD */
  get timestamp(): number {
    return this.#records.baseTimestampMs + this.#decoded().timestampDeltaMs
  }

  /**
   * Says that the message is done with. Resolves when the broker has that safely; at once if nobody keeps it: acknowledgements belong to
   * durable subscriptions of QoS 1. Calling again is safe, and after a refusal tries again. Not awaiting is safe: a rejection that
   * nobody looks at stays silent.
   * @throws GomqError CLOSED  the subscription or the client ended before the broker had it; it may be delivered again
   */
  ack(): Promise<void> {
    this.acknowledge()
    return this.#owner.settled(this.#group)
  }

  /** The same without a promise. @internal */
  acknowledge(): void {
    if (this.#group === undefined || this.#group.outcome) this.#group = this.#owner.ack(this.offset) ?? this.#group
  }

  #decoded(): DecodedRecord {
    this.#record ??= this.#records.record(this.#index)
    return this.#record
  }
}
