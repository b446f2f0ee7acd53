import type { GomqError, Offset } from '@gomq/protocol'
import type { PublishAck } from '../session/publish-batch.js'
import type { Waiter } from '../session/waiter.js'
import { abortError } from './abort.js'

/** Where many messages come from, one after the other. */
export type PublishSource<T> = Iterable<T> | AsyncIterable<T>

/** How many messages are published together, whatever each says of itself. */
export interface PublishAllOptions {
  /** Stops: no more is asked for. What was taken may be stored all the same. */
  readonly signal?: AbortSignal
}

/** What became of them. */
export interface PublishAllResult {
  readonly count: number
  /** The greatest offset among them; -1 if none has one. */
  readonly lastOffset: Offset
}

/** What publishing many messages needs from a client. */
export interface PublishAllPort<T> {
  /** @throws GomqError  the value cannot be published */
  publish(value: T, waiter: Waiter<PublishAck>): void
  /** Resolves when there is room; undefined if there is. */
  room(): Promise<void> | undefined
}

/**
 * Publishes all values with one promise for all, pacing itself. Stops at the first failure, also while the source or the buffer is
 * waited for; what the source still has is not asked for.
 *
 * @throws GomqError  the first failure; ABORTED by the signal; or what the source throws
 */
export async function publishAll<T>(
  values: PublishSource<T>,
  port: PublishAllPort<T>,
  signal: AbortSignal | undefined,
): Promise<PublishAllResult> {
  let count = 0
  let settled = 0
  let lastOffset = -1
  let failure: GomqError | undefined
  let wake = () => {}
  const fail = (error: GomqError) => {
    failure ??= error
    wake()
  }
  const waiter: Waiter<PublishAck> = {
    resolve: (ack) => {
      settled++
      if (ack.offset > lastOffset) lastOffset = ack.offset
      if (settled === count) wake()
    },
    reject: (error) => {
      settled++
      fail(error)
    },
  }
  /** `promise`, or undefined as soon as something failed. */
  const unlessFailed = <R>(promise: Promise<R>): Promise<R | undefined> =>
    new Promise((resolve, reject) => {
      wake = () => {
        if (failure !== undefined) resolve(undefined)
      }
      wake()
      promise.then(resolve, reject)
    })
  const abort = () => fail(abortError(signal!, 'publishAll'))
  if (signal?.aborted) throw abortError(signal, 'publishAll')
  signal?.addEventListener('abort', abort, { once: true })
  try {
    if (Symbol.asyncIterator in values) {
      const source = values[Symbol.asyncIterator]()
      let isExhausted = false
      try {
        while (failure === undefined) {
          const result = await unlessFailed(Promise.resolve(source.next()))
          isExhausted = result?.done === true
          if (result === undefined || isExhausted) break
          await publishOne(result.value)
        }
      } finally {
        // Not awaited: a source that hangs must not hold the failure back.
        if (!isExhausted) Promise.resolve(source.return?.()).catch(() => {})
      }
    } else {
      for (const value of values) {
        const room = publishOne(value)
        if (room !== undefined) await room
        if (failure !== undefined) break
      }
    }
    if (settled < count && failure === undefined) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  } finally {
    signal?.removeEventListener('abort', abort)
  }
  if (failure !== undefined) throw failure
  return { count, lastOffset: lastOffset as Offset }

  function publishOne(value: T): Promise<void> | undefined {
    count++
    port.publish(value, waiter)
    const room = failure === undefined ? port.room() : undefined
    return room && unlessFailed(room)
  }
}
