import type { Epoch, Offset } from '../numbers.js'
import { bytes, integer, offsetField, oneOf, u32 } from './field.js'
import type { PacketTable } from './packet-table.js'
import type { PacketType } from './packet-type.js'

/** How safe a message was when its publish was acknowledged. */
export type Durability = 'written' | 'synced' | 'replicated'

/** A batch to be published. Topic, QoS and retain stand in the batch. */
export interface PublishPacket {
  readonly type: typeof PacketType.PUBLISH
  /** 0 for QoS 0: there is no answer. */
  readonly requestId: number
  readonly batch: Uint8Array
}

/** The batch is safe. Sent in the order of offsets. */
export interface PubackPacket {
  readonly type: typeof PacketType.PUBACK
  readonly requestId: number
  /** Offset of the batch's first record; -1 when it was stored too long ago to tell. */
  readonly baseOffset: Offset
  readonly epoch: Epoch
  readonly durability: Durability
}

/** Fields of PUBLISH, in their order on the wire. */
export const PUBLISH: PacketTable<PublishPacket> = { name: 'PUBLISH', fields: { requestId: u32, batch: bytes } }

/** Fields of PUBACK, in their order on the wire. */
export const PUBACK: PacketTable<PubackPacket> = {
  name: 'PUBACK',
  fields: {
    requestId: u32,
    baseOffset: offsetField<Offset>(),
    epoch: integer<Epoch>(0, 0xffff_ffff),
    durability: oneOf<Durability>('written', 'synced', 'replicated'),
  },
}
