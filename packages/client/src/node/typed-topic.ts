import type { Offset } from '@gomq/protocol'
import type { PublishAck } from '../session/publish-batch.js'
import type { Message } from './message.js'
import type { PublishOptions, SubscribeOptions } from './options.js'
import type { SchemaInput, SchemaOutput, SchemaResult, StandardSchema } from './standard-schema.js'
import type { Subscription } from './subscription.js'
import { InvalidMessageError, InvalidValueError, TypedMessage } from './typed-message.js'

/** How a typed subscription behaves. */
export interface TypedSubscribeOptions extends SubscribeOptions {
  /**
   * Called, and awaited, for a message that does not fit, which is then skipped; with `ack: 'auto'` it is acknowledged as it is passed.
   * Left out: the iteration throws the error, and another one goes on behind the message.
   */
  readonly onInvalid?: (error: InvalidMessageError) => void | Promise<void>
}

/** What a typed topic needs from a client. */
export interface TypedTopicPort {
  publish(topic: string, value: unknown, options?: PublishOptions): Promise<PublishAck>
  subscribe(filter: string, options?: SubscribeOptions): Promise<Subscription>
}

/**
 * A topic, or a filter to subscribe to, whose values fit a schema. What is published is checked and goes as it was given; what comes is
 * checked and is what the schema makes of it. So a schema may have defaults and transformations: they happen where a message is read.
 */
export class TypedTopic<S extends StandardSchema> {
  readonly name: string
  readonly schema: S
  readonly #port: TypedTopicPort

  /** @internal */
  constructor(port: TypedTopicPort, name: string, schema: S) {
    this.name = name
    this.schema = schema
    this.#port = port
  }

  /**
   * Publishes a value that fits. With a schema that answers at once, messages keep the order of the calls.
   * @throws InvalidValueError  INVALID_ARGUMENT: it does not fit, and nothing was sent; else as `client.publish`
   */
  async publish(value: SchemaInput<S>, options?: PublishOptions): Promise<PublishAck> {
    const answer = this.schema['~standard'].validate(value)
    const result = answer instanceof Promise ? await answer : answer
    if (result.issues !== undefined) throw new InvalidValueError(this.name, result.issues)
    return this.#port.publish(this.name, value, options)
  }

  /** Subscribes as `client.subscribe` does. */
  async subscribe(options: TypedSubscribeOptions = {}): Promise<TypedSubscription<SchemaOutput<S>>> {
    const { onInvalid, ...rest } = options
    const source = await this.#port.subscribe(this.name, rest)
    return new TypedSubscription<SchemaOutput<S>>(
      source,
      this.schema as StandardSchema<unknown, SchemaOutput<S>>,
      onInvalid,
    )
  }
}

/** Messages that fit a schema, as they come. Loops behave as those of a {@link Subscription}. */
export class TypedSubscription<T> implements AsyncIterable<TypedMessage<T>, undefined> {
  /** The subscription behind it. */
  readonly source: Subscription
  readonly #schema: StandardSchema<unknown, T>
  readonly #onInvalid: TypedSubscribeOptions['onInvalid']
  #direct: AsyncIterator<TypedMessage<T>, undefined> | undefined

  /** @internal */
  constructor(source: Subscription, schema: StandardSchema<unknown, T>, onInvalid: TypedSubscribeOptions['onInvalid']) {
    this.source = source
    this.#schema = schema
    this.#onInvalid = onInvalid
  }

  /**
   * A loop of its own. Its `next` rejects with {@link InvalidMessageError} for a message that does not fit, unless there is `onInvalid`;
   * calling it again goes on behind that message.
   */
  [Symbol.asyncIterator](): AsyncIterator<TypedMessage<T>, undefined> {
    const messages = this.source[Symbol.asyncIterator]()
    return {
      next: () => this.#next(messages),
      return: async () => {
        await messages.return?.()
        return { done: true, value: undefined }
      },
    }
  }

  /** The next message: a loop like any other, shared by all calls. @throws InvalidMessageError, or why the subscription ended */
  next(): Promise<IteratorResult<TypedMessage<T>, undefined>> {
    this.#direct ??= this[Symbol.asyncIterator]()
    return this.#direct.next()
  }

  /** See {@link Subscription.caughtUp}. */
  caughtUp(): Promise<Offset> {
    return this.source.caughtUp()
  }

  /** See {@link Subscription.unsubscribe}. */
  unsubscribe(options?: { readonly forget?: boolean }): Promise<void> {
    return this.source.unsubscribe(options)
  }

  /** See {@link Subscription.close}. */
  close(): Promise<void> {
    return this.source.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #next(messages: AsyncIterator<Message, undefined>): Promise<IteratorResult<TypedMessage<T>, undefined>> {
    for (;;) {
      const result = await messages.next()
      if (result.done === true) return result
      const checked = await this.#check(result.value)
      if (checked instanceof TypedMessage) return { done: false, value: checked }
      if (this.#onInvalid === undefined) throw checked
      await this.#onInvalid(checked)
    }
  }

  async #check(message: Message): Promise<TypedMessage<T> | InvalidMessageError> {
    let value: unknown
    try {
      value = message.value
    } catch (cause) {
      return new InvalidMessageError(message, [], cause)
    }
    const result: SchemaResult<T> = await this.#schema['~standard'].validate(value)
    return result.issues === undefined
      ? new TypedMessage(message, result.value)
      : new InvalidMessageError(message, result.issues)
  }
}
