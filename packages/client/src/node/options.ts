import { GomqError, type Headers, offset, type StartPosition } from '@gomq/protocol'
import { BUFFER_BYTES_MAX_DEFAULT, PUBLISH_TIMEOUT_MS_DEFAULT, REQUEST_TIMEOUT_MS_DEFAULT } from '../session/limits.js'

/** How a client connects and what it bounds. */
export interface ConnectOptions {
  /** Identity of the client, needed for durable subscriptions. Without it the broker makes one up. */
  readonly clientId?: string
  /** Seconds between signs of life, 0 to 65,535; 30 by default. */
  readonly keepAliveSec?: number
  /** Milliseconds until an address that does not answer is given up; 5,000 by default. */
  readonly connectTimeoutMs?: number
  /** Milliseconds of subscribing and unsubscribing, reconnecting included; 10,000 by default. */
  readonly requestTimeoutMs?: number
  /** Milliseconds of a publish, reconnecting included; 30,000 by default. */
  readonly publishTimeoutMs?: number
  /** Bytes of unsettled messages beyond which publishes wait; 4 MiB by default. */
  readonly bufferBytesMax?: number
  /** Pause before connecting again: from `minMs` (100), doubled each time, up to `maxMs` (5,000), half of it by chance. */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number }
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal
}

/** How messages are published. */
export interface PublishOptions {
  /** 1 (default): stored, exactly once, and acknowledged. 0: sent once, neither stored nor acknowledged. */
  readonly qos?: 0 | 1
  readonly key?: string | Uint8Array
  /** Keeps the message as the topic's last value. */
  readonly retain?: boolean
  readonly headers?: Readonly<Record<string, string | Uint8Array>>
  /** Milliseconds since 1970 or a date; now by default. */
  readonly timestamp?: number | Date
  /** Stops waiting. What was sent already may be stored all the same. */
  readonly signal?: AbortSignal
  /** Instead of `publishTimeoutMs`. */
  readonly timeoutMs?: number
}

/** Where a new subscription begins. */
export type SubscribeFrom = 'new' | 'earliest' | { readonly offset: number } | { readonly time: number | Date }

/** How a subscription behaves. */
export interface SubscribeOptions {
  /** 1 (default): messages are acknowledged. 0: they are not. */
  readonly qos?: 0 | 1
  /** Makes the subscription durable: the broker keeps its place under this name for the client id. */
  readonly name?: string
  /** 'new' by default; counts only when the subscription is created. */
  readonly from?: SubscribeFrom
  /** 'manual' (default): call `message.ack()`. 'auto': a message is acknowledged when the next one is asked for. */
  readonly ack?: 'manual' | 'auto'
  /** How much may be delivered ahead of the iterator; 8,192 messages and 4 MiB by default. */
  readonly prefetch?: { readonly messages?: number; readonly bytes?: number }
  /** Ends the iteration after what is stored now. */
  readonly untilEnd?: boolean
  /** Ends the subscription. */
  readonly signal?: AbortSignal
}

/** What {@link ConnectOptions} come to. */
export interface ResolvedConnectOptions {
  readonly clientId: string | null
  readonly keepAliveSec: number
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly publishTimeoutMs: number
  readonly bufferBytesMax: number
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
}

/** {@link ConnectOptions} with every default in its place, checked. @throws GomqError INVALID_ARGUMENT */
export function resolveConnectOptions(options: ConnectOptions): ResolvedConnectOptions {
  return {
    clientId: options.clientId ?? null,
    keepAliveSec: integerOption('keepAliveSec', options.keepAliveSec ?? 30, 0, 65_535),
    connectTimeoutMs: integerOption('connectTimeoutMs', options.connectTimeoutMs ?? 5_000, 1, 0x7fff_ffff),
    requestTimeoutMs: integerOption(
      'requestTimeoutMs',
      options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT,
      1,
      0x7fff_ffff,
    ),
    publishTimeoutMs: integerOption(
      'publishTimeoutMs',
      options.publishTimeoutMs ?? PUBLISH_TIMEOUT_MS_DEFAULT,
      1,
      0x7fff_ffff,
    ),
    bufferBytesMax: integerOption(
      'bufferBytesMax',
      options.bufferBytesMax ?? BUFFER_BYTES_MAX_DEFAULT,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    reconnectMinMs: integerOption('reconnect.minMs', options.reconnect?.minMs ?? 100, 0, 0x7fff_ffff),
    reconnectMaxMs: integerOption('reconnect.maxMs', options.reconnect?.maxMs ?? 5_000, 0, 0x7fff_ffff),
  }
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
