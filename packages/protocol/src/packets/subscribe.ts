import { GomqError } from '../errors.js'
import { FILTERS_PER_SUBSCRIBE_MAX, SUBSCRIPTION_NAME_BYTES_MAX, TOPIC_BYTES_MAX } from '../limits.js'
import type { Offset } from '../numbers.js'
import { bool, type Field, integer, list, nullable, offsetField, text, u32 } from './field.js'
import type { PacketTable } from './packet-table.js'
import type { PacketType } from './packet-type.js'

/** Where a new subscription begins: with what comes, with all that is stored, at an offset, or at a time (leader's append time). */
export type StartPosition =
  | { readonly kind: 'new' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'offset'; readonly offset: Offset }
  | { readonly kind: 'time'; readonly timeMs: number }

/** Asks for the messages of topics that match one of the filters. */
export interface SubscribePacket {
  readonly type: typeof PacketType.SUBSCRIBE
  readonly requestId: number
  /** Chosen by the client; names the subscription on this connection. */
  readonly subscriptionId: number
  readonly filters: string[]
  /** Greatest QoS of deliveries: 0 keeps no acknowledgements. */
  readonly qos: number
  /** Name of a durable subscription of this client id; null for one that ends with the connection. */
  readonly name: string | null
  /** Counts only when the subscription is created. */
  readonly from: StartPosition
  /** Messages and bytes that may be delivered before more credit. */
  readonly creditMessages: number
  readonly creditBytes: number
  /** Whether the retained messages from below the start come first. Counts only when the subscription is created. */
  readonly retained: boolean
}

/** The subscription stands; deliveries follow. */
export interface SubackPacket {
  readonly type: typeof PacketType.SUBACK
  readonly requestId: number
  readonly subscriptionId: number
  /** Everything stored from here on will be delivered; from below only retained messages and what was not acknowledged. */
  readonly startOffset: Offset
  /** Whether a durable subscription of this name existed. */
  readonly resumed: boolean
}

/** Ends a subscription on this connection; a durable one keeps its place unless `forget`. */
export interface UnsubscribePacket {
  readonly type: typeof PacketType.UNSUBSCRIBE
  readonly requestId: number
  readonly subscriptionId: number
  readonly forget: boolean
}

/** Nothing more will be delivered to the subscription. */
export interface UnsubackPacket {
  readonly type: typeof PacketType.UNSUBACK
  readonly requestId: number
}

const startPosition: Field<StartPosition> = {
  description: '[0] new, [1] earliest, [2, offset], [3, time in ms]',
  encode: (from) => {
    if (from.kind === 'new') return [0]
    if (from.kind === 'earliest') return [1]
    return from.kind === 'offset' ? [2, from.offset] : [3, from.timeMs]
  },
  decode: (value, where) => {
    if (Array.isArray(value)) {
      const [kind, argument] = value as unknown[]
      if (kind === 0) return { kind: 'new' }
      if (kind === 1) return { kind: 'earliest' }
      if (Number.isSafeInteger(argument) && (argument as number) >= 0) {
        if (kind === 2) return { kind: 'offset', offset: argument as Offset }
        if (kind === 3) return { kind: 'time', timeMs: argument as number }
      }
    }
    throw new GomqError('MALFORMED_FRAME', `${where} is no start position; expected ${startPosition.description}`)
  },
}

/** Fields of SUBSCRIBE, in their order on the wire. */
export const SUBSCRIBE: PacketTable<SubscribePacket> = {
  name: 'SUBSCRIBE',
  fields: {
    requestId: u32,
    subscriptionId: u32,
    filters: list(text(TOPIC_BYTES_MAX), FILTERS_PER_SUBSCRIBE_MAX),
    qos: integer(0, 2),
    name: nullable(text(SUBSCRIPTION_NAME_BYTES_MAX)),
    from: startPosition,
    creditMessages: u32,
    creditBytes: u32,
    retained: bool,
  },
}

/** Fields of SUBACK, in their order on the wire. */
export const SUBACK: PacketTable<SubackPacket> = {
  name: 'SUBACK',
  fields: { requestId: u32, subscriptionId: u32, startOffset: offsetField<Offset>(), resumed: bool },
}

/** Fields of UNSUBSCRIBE, in their order on the wire. */
export const UNSUBSCRIBE: PacketTable<UnsubscribePacket> = {
  name: 'UNSUBSCRIBE',
  fields: { requestId: u32, subscriptionId: u32, forget: bool },
}

/** Fields of UNSUBACK, in their order on the wire. */
export const UNSUBACK: PacketTable<UnsubackPacket> = { name: 'UNSUBACK', fields: { requestId: u32 } }
