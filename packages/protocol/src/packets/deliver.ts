import { ACK_RANGES_MAX, BATCH_RECORDS_MAX } from '../limits.js'
import type { Offset } from '../numbers.js'
import { bytes, nullable, offsetField, ranges, u32 } from './field.js'
import type { PacketTable } from './packet-table.js'
import type { PacketType } from './packet-type.js'

/** Messages for a subscription: a whole batch, some records of one that comes whole, or a part of one as `partOfBatch` makes it. */
export interface DeliverPacket {
  readonly type: typeof PacketType.DELIVER
  readonly subscriptionId: number
  /** Null where the payload is a whole batch. */
  readonly header: Uint8Array | null
  /** Half-open pairs of record positions; null for all of a whole batch. */
  readonly ranges: number[] | null
  readonly payload: Uint8Array
}

/** Messages that were processed. Offsets that were never delivered or are acknowledged already are ignored. */
export interface AckPacket {
  readonly type: typeof PacketType.ACK
  /** 0: no answer wanted. */
  readonly requestId: number
  readonly subscriptionId: number
  /** Half-open pairs of offsets. */
  readonly ranges: number[]
}

/** The acknowledgement is safe: what it named will not be delivered again. */
export interface AckedPacket {
  readonly type: typeof PacketType.ACKED
  readonly requestId: number
}

/** Adds to what may be delivered. */
export interface CreditPacket {
  readonly type: typeof PacketType.CREDIT
  readonly subscriptionId: number
  readonly messages: number
  readonly bytes: number
}

/** The subscription was sent all that is stored below `offset` and is live from there. Sent each time it catches up. */
export interface TailPacket {
  readonly type: typeof PacketType.TAIL
  readonly subscriptionId: number
  readonly offset: Offset
}

/** How far is a subscription behind? */
export interface LagreqPacket {
  readonly type: typeof PacketType.LAGREQ
  readonly requestId: number
  readonly subscriptionId: number
}

/** The answer to it: what stands in the log from `position` on and below `highWatermark` was not looked at for the subscription yet. */
export interface LagrespPacket {
  readonly type: typeof PacketType.LAGRESP
  readonly requestId: number
  readonly position: Offset
  readonly highWatermark: Offset
}

/**
 * Retention was faster than the subscription: what stood in the log from `from` on and below `to` is gone, and may have held messages for it.
 * It goes on at `to`. Sent once for each stretch, before what is delivered from behind it.
 */
export interface MissedPacket {
  readonly type: typeof PacketType.MISSED
  readonly subscriptionId: number
  readonly from: Offset
  readonly to: Offset
}

/** Fields of DELIVER, in their order on the wire. */
export const DELIVER: PacketTable<DeliverPacket> = {
  name: 'DELIVER',
  fields: {
    subscriptionId: u32,
    header: nullable(bytes),
    ranges: nullable(ranges(BATCH_RECORDS_MAX / 2, BATCH_RECORDS_MAX)),
    payload: bytes,
  },
}

/** Fields of ACK, in their order on the wire. */
export const ACK: PacketTable<AckPacket> = {
  name: 'ACK',
  fields: { requestId: u32, subscriptionId: u32, ranges: ranges(ACK_RANGES_MAX, Number.MAX_SAFE_INTEGER) },
}

/** Fields of ACKED, in their order on the wire. */
export const ACKED: PacketTable<AckedPacket> = { name: 'ACKED', fields: { requestId: u32 } }

/** Fields of CREDIT, in their order on the wire. */
export const CREDIT: PacketTable<CreditPacket> = {
  name: 'CREDIT',
  fields: { subscriptionId: u32, messages: u32, bytes: u32 },
}

/** Fields of TAIL, in their order on the wire. */
export const TAIL: PacketTable<TailPacket> = {
  name: 'TAIL',
  fields: { subscriptionId: u32, offset: offsetField<Offset>() },
}
/** Fields of LAGREQ, in their order on the wire. */
export const LAGREQ: PacketTable<LagreqPacket> = { name: 'LAGREQ', fields: { requestId: u32, subscriptionId: u32 } }
/** Fields of LAGRESP, in their order on the wire. */
export const LAGRESP: PacketTable<LagrespPacket> = {
  name: 'LAGRESP',
  fields: { requestId: u32, position: offsetField<Offset>(), highWatermark: offsetField<Offset>() },
}
/** Fields of MISSED, in their order on the wire. */
export const MISSED: PacketTable<MissedPacket> = {
  name: 'MISSED',
  fields: { subscriptionId: u32, from: offsetField<Offset>(), to: offsetField<Offset>() },
}
