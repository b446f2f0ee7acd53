import type { Message } from './message.js'
import { MessageIterator, type MessageSource } from './message-iterator.js'

/** Messages that one turn of a loop gets at most: enough that a turn costs nothing, few enough that others in the process have theirs. */
export const GROUP_MESSAGES_MAX = 1024

/**
 * A loop over what a subscription has at the moment, many messages a turn. A group is what had come when it was asked for, one message at least; with
 * automatic acknowledgement all of it is acknowledged when the next one is asked for.
 */
export class MessageGroups implements AsyncIterableIterator<readonly Message[], undefined> {
  readonly #source: MessageSource
  readonly #iterator: MessageIterator
  #last: readonly Message[] = []

  constructor(source: MessageSource) {
    this.#source = source
    // It acknowledges nothing by itself: a group is a whole.
    this.#iterator = new MessageIterator({
      isAutoAck: false,
      take: () => source.take(),
      takeMore: (messages, countMax) => source.takeMore(messages, countMax),
      wait: (reader) => source.wait(reader),
      withdraw: (reader) => source.withdraw(reader),
    })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  /** The next group; done as a loop over messages is. @throws GomqError  why the subscription ended */
  async next(): Promise<IteratorResult<readonly Message[], undefined>> {
    for (const message of this.#last) message.acknowledge()
    this.#last = []
    const first = await this.#iterator.next()
    if (first.done) return first
    const group = [first.value]
    this.#source.takeMore(group, GROUP_MESSAGES_MAX)
    if (this.#source.isAutoAck) this.#last = group
    return { done: false, value: group }
  }

  /** Called when a loop is left: its last group is not acknowledged. */
  return(): Promise<IteratorResult<readonly Message[], undefined>> {
    this.#last = []
    return this.#iterator.return() as Promise<IteratorResult<readonly Message[], undefined>>
  }
}
