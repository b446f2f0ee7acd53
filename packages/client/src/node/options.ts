import { GomqError, type Headers, offset, type StartPosition } from '@gomq/protocol'

/** How messages are published. */
export interface PublishOptions {
  /** 1 (default) and 2: stored, exactly once, and acknowledged. 0: sent once, neither stored nor acknowledged. */
  readonly qos?: 0 | 1 | 2
  readonly key?: string | Uint8Array
  /** Keeps the message as the topic's last value. */
  readonly retain?: boolean
  readonly headers?: Readonly<Record<string, string | Uint8Array>>
  /** Milliseconds after which the broker no longer delivers the message, from 1; it never ends by default. */
  readonly ttlMs?: number
  /** Milliseconds since 1970 or a date; now by default. */
  readonly timestamp?: number | Date
  /** Stops waiting. What was sent already may be stored all the same. */
  readonly signal?: AbortSignal
  /** Instead of `publishTimeoutMs`. */
  readonly timeoutMs?: number
}

/** One of many messages that are published together, each as it says. */
export interface OutgoingMessage extends Omit<PublishOptions, 'signal'> {
  readonly topic: string
  /** Text and bytes go as they are, anything else as msgpack. */
  readonly value: unknown
}

/** Where a new subscription begins. */
export type SubscribeFrom = 'new' | 'earliest' | { readonly offset: number } | { readonly time: number | Date }

/** How a subscription behaves. */
export interface SubscribeOptions {
  /** 1 (default) and 2: messages are acknowledged. 0: they are not. A message has the lesser of this and what it was published with. */
  readonly qos?: 0 | 1 | 2
  /** Makes the subscription durable: the broker keeps its place under this name for the client id. */
  readonly name?: string
  /** 'new' by default; counts only when the subscription is created. */
  readonly from?: SubscribeFrom
  /**
   * Whether the retained messages of its topics come first; true by default from 'new', else false. Counts only when the subscription is
   * created: a durable one that exists gets none.
   */
  readonly retained?: boolean
  /** 'manual' (default): call `message.ack()`. 'auto': a message is acknowledged when the next one is asked for. */
  readonly ack?: 'manual' | 'auto'
  /**
   * How much may be delivered ahead of the iterator; 8,192 messages and 4 MiB by default. A compressed batch comes whole, also where it
   * exceeds that.
   */
  readonly prefetch?: { readonly messages?: number; readonly bytes?: number }
  /** Ends the iteration after what is stored now. */
  readonly untilEnd?: boolean
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** @throws GomqError INVALID_ARGUMENT */
export function startPosition(from: SubscribeFrom): StartPosition {
  if (from === 'new' || from === 'earliest') return { kind: from }
  if (typeof from === 'object' && 'offset' in from)
    return { kind: 'offset', offset: offset(integerOption('from.offset', from.offset, 0, Number.MAX_SAFE_INTEGER)) }
  if (typeof from === 'object' && 'time' in from)
    return { kind: 'time', timeMs: integerOption('from.time', Number(from.time), 0, Number.MAX_SAFE_INTEGER) }
  throw new GomqError('INVALID_ARGUMENT', "from must be 'new', 'earliest', { offset } or { time }")
}

/** Headers as records take them: own copy, null for none. @throws GomqError INVALID_ARGUMENT */
export function headersOption(headers: PublishOptions['headers']): Headers | null {
  if (headers === undefined) return null
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string' && !(value instanceof Uint8Array))
      throw new GomqError('INVALID_ARGUMENT', `header '${name}' is neither text nor bytes; encode it first`)
  }
  return { ...headers }
}

/** `value` if it is an integer from `min` to `max`. @throws GomqError INVALID_ARGUMENT */
export function integerOption(name: string, value: number, min: number, max: number): number {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return value
  throw new GomqError('INVALID_ARGUMENT', `${name} is ${value}; expected an integer from ${min} to ${max}`)
}
