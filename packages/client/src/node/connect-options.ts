import { encodePlainCredentials, GomqError, PLAIN_METHOD, type ProducerId } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { packWill, type Will } from '../session/introduction.js'
import {
  BUFFER_BYTES_MAX_DEFAULT,
  PUBLISH_TIMEOUT_MS_DEFAULT,
  REQUEST_TIMEOUT_MS_DEFAULT,
  SESSION_EXPIRY_SEC_DEFAULT,
  WILL_BYTES_MAX,
} from '../session/limits.js'
import { integerOption, type PublishOptions } from './options.js'
import { PublishEncoder } from './publish-encoder.js'

/** A message that the broker publishes once when a connection of the client ends without goodbye. */
export interface WillOptions extends Pick<PublishOptions, 'qos' | 'key' | 'retain' | 'headers' | 'ttlMs'> {
  readonly topic: string
  /** As for `publish`; about 60 KiB at most, with key and headers. */
  readonly value: unknown
  /** Seconds between that end and the will, 0 by default; the client's return before that cancels it. */
  readonly delaySec?: number
}

/** How what is published is compressed. */
export type Compression = 'none' | 'deflate'

/** How a client connects and what it bounds. */
export interface ConnectOptions {
  /** Identity of the client, needed for durable subscriptions. Without it the broker makes one up. */
  readonly clientId?: string
  /** Who connects; with `password`, for a broker that asks. */
  readonly username?: string
  /** Empty by default; needs a `username`. */
  readonly password?: string
  /**
   * What the session means. True: the first connection discards what the broker keeps for the client id, and nothing is kept afterwards.
   * False, which needs a `clientId`: every subscription is durable; one without a name is named by its sorted filters. Left out:
   * subscriptions with a name are durable.
   */
  readonly cleanSession?: boolean
  /**
   * Seconds that durable subscriptions outlive a connection, 0 to 4,294,967,295; the broker may grant less. 7 days by default with a
   * `clientId`, 0 without one or with `cleanSession: true`.
   */
  readonly sessionExpirySec?: number
  /** Published by the broker once for each connection that ends without goodbye; `close()` is one. */
  readonly will?: WillOptions
  /** Seconds between signs of life, 0 to 65,535; 10 by default. */
  readonly keepAliveSec?: number
  /** Milliseconds until an address that does not answer is given up; 5,000 by default. */
  readonly connectTimeoutMs?: number
  /** Milliseconds of subscribing and unsubscribing, reconnecting included; 10,000 by default. */
  readonly requestTimeoutMs?: number
  /** Milliseconds of a publish, reconnecting included; 30,000 by default. */
  readonly publishTimeoutMs?: number
  /** Bytes of unsettled messages beyond which publishes wait; 4 MiB by default. */
  readonly bufferBytesMax?: number
  /**
   * 'deflate': batches of 1 KiB and more are compressed where that saves a tenth; they take less of the network and of the broker's disk, and
   * CPU of this process: about 0.4 ms for 128 KiB, in the event loop. Retained messages and wills are not. 'none' by default. Whoever
   * subscribes reads both.
   */
  readonly compression?: Compression
  /** Pause before connecting again: from `minMs` (100), doubled each time, up to `maxMs` (5,000), half of it by chance. */
  readonly reconnect?: { readonly minMs?: number; readonly maxMs?: number }
  /** Ends the attempt to connect. */
  readonly signal?: AbortSignal
}

/** What {@link ConnectOptions} come to. */
export interface ResolvedConnectOptions {
  readonly clientId: string | null
  readonly authMethod: string | null
  readonly authData: Uint8Array | null
  readonly cleanSession: boolean
  /** Whether subscriptions without a name get one from their filters. */
  readonly isAlwaysDurable: boolean
  readonly sessionExpirySec: number
  readonly will: Will | null
  readonly keepAliveSec: number
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly publishTimeoutMs: number
  readonly bufferBytesMax: number
  readonly compression: Compression
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
}

const TIMEOUT_MS_MAX = 0x7fff_ffff

/** {@link ConnectOptions} with every default in its place, checked. @throws GomqError INVALID_ARGUMENT, and for the will as publish */
export function resolveConnectOptions(options: ConnectOptions): ResolvedConnectOptions {
  const { clientId = null, cleanSession, username, password, reconnect } = options
  if (cleanSession === false && clientId === null)
    throw new GomqError('INVALID_ARGUMENT', 'cleanSession: false keeps a session and needs a clientId to keep it for')
  if (username === undefined && password !== undefined)
    throw new GomqError('INVALID_ARGUMENT', 'a password needs a username')
  const expirySecDefault = clientId === null || cleanSession === true ? 0 : SESSION_EXPIRY_SEC_DEFAULT
  const timeout = (name: string, value: number) => integerOption(name, value, 1, TIMEOUT_MS_MAX)
  return {
    clientId,
    authMethod: username === undefined ? null : PLAIN_METHOD,
    authData: username === undefined ? null : encodePlainCredentials({ username, password: password ?? '' }),
    cleanSession: cleanSession ?? false,
    isAlwaysDurable: cleanSession === false,
    sessionExpirySec: integerOption('sessionExpirySec', options.sessionExpirySec ?? expirySecDefault, 0, 0xffff_ffff),
    will: options.will === undefined ? null : resolveWill(options.will),
    keepAliveSec: integerOption('keepAliveSec', options.keepAliveSec ?? 10, 0, 65_535),
    connectTimeoutMs: timeout('connectTimeoutMs', options.connectTimeoutMs ?? 5_000),
    requestTimeoutMs: timeout('requestTimeoutMs', options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT),
    publishTimeoutMs: timeout('publishTimeoutMs', options.publishTimeoutMs ?? PUBLISH_TIMEOUT_MS_DEFAULT),
    bufferBytesMax: integerOption(
      'bufferBytesMax',
      options.bufferBytesMax ?? BUFFER_BYTES_MAX_DEFAULT,
      1,
      Number.MAX_SAFE_INTEGER,
    ),
    compression: compressionOption(options.compression ?? 'none'),
    reconnectMinMs: integerOption('reconnect.minMs', reconnect?.minMs ?? 100, 0, TIMEOUT_MS_MAX),
    reconnectMaxMs: integerOption('reconnect.maxMs', reconnect?.maxMs ?? 5_000, 0, TIMEOUT_MS_MAX),
  }
}

function compressionOption(compression: Compression): Compression {
  if (compression === 'none' || compression === 'deflate') return compression
  throw new GomqError('INVALID_ARGUMENT', `compression is '${compression}'; it must be 'none' or 'deflate'`)
}

function resolveWill(will: WillOptions): Will {
  const request = new PublishEncoder(PUBLISH_TIMEOUT_MS_DEFAULT).encode(will.topic, will.value, will, Date.now())
  const { byteLength } = packWill(request, 1 as ProducerId, 0, crc32)
  if (byteLength > WILL_BYTES_MAX) {
    const message = `the will has ${byteLength} bytes with topic, key and headers; at most ${WILL_BYTES_MAX} are allowed`
    throw new GomqError('MESSAGE_TOO_LARGE', message)
  }
  return { request, delaySec: integerOption('will.delaySec', will.delaySec ?? 0, 0, 0xffff_ffff) }
}
