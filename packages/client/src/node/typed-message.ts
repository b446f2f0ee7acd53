import { GomqError, type Headers, type Offset } from '@gomq/protocol'
import type { PublishAck } from '../session/publish-batch.js'
import type { Message, ReplyOptions } from './message.js'
import { issuesText, type SchemaIssue } from './standard-schema.js'

/** A message whose value fits its topic's schema. */
export class TypedMessage<T> {
  /** What the schema made of the value. */
  readonly value: T
  /** The message as it came. */
  readonly source: Message

  /** @internal */
  constructor(source: Message, value: T) {
    this.source = source
    this.value = value
  }

  /** See {@link Message.offset}. */
  get offset(): Offset {
    return this.source.offset
  }

  /** See {@link Message.topic}. */
  get topic(): string {
    return this.source.topic
  }

  /** See {@link Message.key}. */
  get key(): string | Uint8Array | null {
    return this.source.key
  }

  /** See {@link Message.headers}. */
  get headers(): Headers | null {
    return this.source.headers
  }

  /** See {@link Message.timestamp}. */
  get timestamp(): number {
    return this.source.timestamp
  }

  /** See {@link Message.qos}. */
  get qos(): 0 | 1 | 2 {
    return this.source.qos
  }

  /** See {@link Message.isRetained}. */
  get isRetained(): boolean {
    return this.source.isRetained
  }

  /** See {@link Message.ack}. */
  ack(): Promise<void> {
    return this.source.ack()
  }

  /** See {@link Message.reply}. */
  reply(value: unknown, options?: ReplyOptions): Promise<PublishAck> {
    return this.source.reply(value, options)
  }
}

/** BAD_RECORD: a message whose value does not fit its topic's schema, or cannot be decoded. */
export class InvalidMessageError extends GomqError {
  /** What the schema found wrong; empty if the value could not be decoded, which is the `cause` then. */
  readonly issues: readonly SchemaIssue[]
  /** The message, to look at and to acknowledge. */
  readonly source: Message

  /** @internal */
  constructor(source: Message, issues: readonly SchemaIssue[], cause?: unknown) {
    const reason =
      issues.length > 0 ? issuesText(issues) : cause instanceof Error ? cause.message : 'it is not decodable'
    const message = `the message at offset ${source.offset} of '${source.topic}' does not fit its schema: ${reason}`
    super('BAD_RECORD', `${message}; acknowledge it with error.source.ack() to pass it`, { cause })
    this.issues = issues
    this.source = source
  }
}

/** INVALID_ARGUMENT: a value that does not fit the schema of the topic it was to be published to. */
export class InvalidValueError extends GomqError {
  /** What the schema found wrong, at least one thing. */
  readonly issues: readonly SchemaIssue[]

  /** @internal */
  constructor(topic: string, issues: readonly SchemaIssue[]) {
    super('INVALID_ARGUMENT', `the value does not fit the schema of '${topic}': ${issuesText(issues)}`)
    this.issues = issues
  }
}
