import {
  Attribute,
  type DecodedRecord,
  type DeliveredRecords,
  GomqError,
  type Headers,
  type Offset,
} from '@gomq/protocol'
import type { AckGroup } from '../session/ack-group.js'
import type { PublishAck } from '../session/publish-batch.js'
import { decodeText, decodeValue } from '../session/value-codec.js'
import type { PublishOptions } from './options.js'

/** Header of a request: the topic on which its answer is waited for. */
export const REPLY_TO_HEADER = 'reply-to'

/** Header of a request that its answer repeats. */
export const CORRELATION_ID_HEADER = 'correlation-id'

/** How an answer is published. */
export type ReplyOptions = Pick<PublishOptions, 'headers' | 'signal' | 'timeoutMs'>

/** The subscription behind a message. */
export interface MessageOwner {
  /** Greatest QoS of its messages. */
  readonly qos: 0 | 1 | 2
  /** Whether the message at an offset was retained from before the subscription. */
  isRetained(offset: Offset): boolean
  /** Publishes an answer. */
  publish(topic: string, value: unknown, options: PublishOptions): Promise<PublishAck>
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

  /** How it is delivered: the lesser of the QoS that it was published with and that of the subscription. */
  get qos(): 0 | 1 | 2 {
    return Math.min(this.#records.attributes & Attribute.QOS_MASK, this.#owner.qos) as 0 | 1 | 2
  }

  /**
   * Whether it is the last value of its topic from before the subscription. False for what a durable subscription that existed
   * before gets again.
   */
  get isRetained(): boolean {
    return this.#owner.isRetained(this.offset)
  }

  /**
   * Answers a request, see `client.request`: publishes `value` with QoS 0 to where the request asks for it. The first answer counts.
   * Resolves when it is handed to the socket.
   * @throws GomqError INVALID_ARGUMENT  the message is no request: it has no header `reply-to`; or as `publish`
   */
  async reply(value: unknown, options: ReplyOptions = {}): Promise<PublishAck> {
    const { headers } = this
    const topic = headers?.[REPLY_TO_HEADER]
    if (typeof topic !== 'string')
      throw new GomqError(
        'INVALID_ARGUMENT',
        `the message has no header '${REPLY_TO_HEADER}': nobody asks for an answer`,
      )
    const correlationId = headers?.[CORRELATION_ID_HEADER]
    const correlation = correlationId === undefined ? {} : { [CORRELATION_ID_HEADER]: correlationId }
    return this.#owner.publish(topic, value, { ...options, headers: { ...options.headers, ...correlation }, qos: 0 })
  }

  /**
   * Says that the message is done with. Resolves when the broker has that safely; at once if nobody keeps it: acknowledgements belong to
   * durable subscriptions of QoS 1 and 2. Calling again is safe, and after a refusal tries again. Not awaiting is safe: a rejection that
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
