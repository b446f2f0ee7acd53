import { writeU32 } from '../bytes.js'
import { GomqError, InvariantError } from '../errors.js'
import { FRAME_LENGTH_BYTES } from '../frame.js'
import { decodeMsgpack, encodeMsgpack } from '../msgpack.js'
import { CONNACK, CONNECT, type ConnackPacket, type ConnectPacket } from './connect.js'
import {
  DISCONNECT,
  type DisconnectPacket,
  ERROR,
  type ErrorPacket,
  PINGREQ,
  PINGRESP,
  type PingreqPacket,
  type PingrespPacket,
} from './connection.js'
import {
  ACK,
  ACKED,
  type AckedPacket,
  type AckPacket,
  CREDIT,
  type CreditPacket,
  DELIVER,
  type DeliverPacket,
  LAGREQ,
  LAGRESP,
  type LagreqPacket,
  type LagrespPacket,
  MISSED,
  type MissedPacket,
  TAIL,
  type TailPacket,
} from './deliver.js'
import type { Field } from './field.js'
import type { PacketTable } from './packet-table.js'
import { PacketType } from './packet-type.js'
import { PUBACK, PUBLISH, type PubackPacket, type PublishPacket } from './publish.js'
import {
  SUBACK,
  SUBSCRIBE,
  type SubackPacket,
  type SubscribePacket,
  UNSUBACK,
  UNSUBSCRIBE,
  type UnsubackPacket,
  type UnsubscribePacket,
} from './subscribe.js'

/** Any packet of the native protocol; `type` tells them apart. */
export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | PubackPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | PingreqPacket
  | PingrespPacket
  | DisconnectPacket
  | DeliverPacket
  | AckPacket
  | AckedPacket
  | CreditPacket
  | TailPacket
  | LagreqPacket
  | LagrespPacket
  | MissedPacket
  | ErrorPacket

/** Field table of each packet by its number; the protocol reference is printed from it. */
export const PACKET_TABLES: { readonly [P in Packet as P['type']]: PacketTable<P> } = {
  [PacketType.CONNECT]: CONNECT,
  [PacketType.CONNACK]: CONNACK,
  [PacketType.PUBLISH]: PUBLISH,
  [PacketType.PUBACK]: PUBACK,
  [PacketType.SUBSCRIBE]: SUBSCRIBE,
  [PacketType.SUBACK]: SUBACK,
  [PacketType.UNSUBSCRIBE]: UNSUBSCRIBE,
  [PacketType.UNSUBACK]: UNSUBACK,
  [PacketType.PINGREQ]: PINGREQ,
  [PacketType.PINGRESP]: PINGRESP,
  [PacketType.DISCONNECT]: DISCONNECT,
  [PacketType.DELIVER]: DELIVER,
  [PacketType.ACK]: ACK,
  [PacketType.ACKED]: ACKED,
  [PacketType.CREDIT]: CREDIT,
  [PacketType.TAIL]: TAIL,
  [PacketType.ERROR]: ERROR,
  [PacketType.LAGREQ]: LAGREQ,
  [PacketType.LAGRESP]: LAGRESP,
  [PacketType.MISSED]: MISSED,
}

/** A packet's fields as parallel arrays, for the loops below. */
interface Layout {
  readonly name: string
  readonly names: readonly string[]
  /** Packet and field, as in `PUBACK.epoch`, for messages. */
  readonly places: readonly string[]
  readonly fields: readonly Field<unknown>[]
  /** Fields that a packet must have; those behind were added later. */
  readonly fieldsMin: number
}

const layouts: (Layout | undefined)[] = []
for (const [type, table] of Object.entries(PACKET_TABLES)) {
  const fields = Object.values(table.fields) as Field<unknown>[]
  layouts[Number(type)] = {
    name: table.name,
    names: Object.keys(table.fields),
    places: Object.keys(table.fields).map((name) => `${table.name}.${name}`),
    fields,
    fieldsMin: fields.filter(({ isAddedLater }) => isAddedLater !== true).length,
  }
}

/** Msgpack tag and length of the payload that {@link encodeFrameParts} adds by reference: `bin 32`. */
const BIN32_BYTES = 5

/** The frame of a packet, length field included. */
export function encodeFrame(packet: Packet): Uint8Array {
  const body = encodeMsgpack(toArray(packet, Number.POSITIVE_INFINITY))
  const frame = new Uint8Array(FRAME_LENGTH_BYTES + body.byteLength)
  writeU32(frame, 0, body.byteLength)
  frame.set(body, FRAME_LENGTH_BYTES)
  return frame
}

/**
 * The frame of a packet whose last field is bytes (PUBLISH, DELIVER), as its head; those bytes must follow it on the wire and are
 * not copied.
 */
export function encodeFrameHead(packet: PublishPacket | DeliverPacket): Uint8Array {
  const payload = packet.type === PacketType.PUBLISH ? packet.batch : packet.payload
  const layout = layouts[packet.type]!
  const start = encodeMsgpack(toArray(packet, layout.names.length - 1))
  const head = new Uint8Array(FRAME_LENGTH_BYTES + start.byteLength + BIN32_BYTES)
  writeU32(head, 0, start.byteLength + BIN32_BYTES + payload.byteLength)
  head.set(start, FRAME_LENGTH_BYTES)
  // One element more than was packed: arrays of fewer than 16 keep their length in the low bits of the tag.
  head[FRAME_LENGTH_BYTES]!++
  const at = FRAME_LENGTH_BYTES + start.byteLength
  head[at] = 0xc6
  head[at + 1] = payload.byteLength >>> 24
  head[at + 2] = payload.byteLength >>> 16
  head[at + 3] = payload.byteLength >>> 8
  head[at + 4] = payload.byteLength
  return head
}

/**
 * The packet in an untrusted frame (without its length field), every field checked. Fields after the last known one are
 * ignored, so that a later version can add some. Bytes are views on the frame.
 *
 * @throws GomqError MALFORMED_FRAME  what it is not, and where
 */
export function decodePacket(frame: Uint8Array): Packet {
  const values = decodeMsgpack(frame)
  if (!Array.isArray(values))
    throw new GomqError('MALFORMED_FRAME', 'a frame holds no array; expected [type, fields...]')
  const type: unknown = values[0]
  const layout = typeof type === 'number' ? layouts[type] : undefined
  if (layout === undefined) {
    throw new GomqError(
      'MALFORMED_FRAME',
      `a frame has the packet type ${String(type).slice(0, 20)}, which this version does not know`,
    )
  }
  const { names, fields, places, fieldsMin } = layout
  if (values.length - 1 < fieldsMin) {
    throw new GomqError('MALFORMED_FRAME', `${layout.name} has ${values.length - 1} fields; expected ${fieldsMin}`)
  }
  const packet: Record<string, unknown> = { type }
  for (let i = 0; i < fields.length; i++) packet[names[i]!] = fields[i]!.decode(values[i + 1], places[i]!)
  return packet as unknown as Packet
}

function toArray(packet: Packet, fieldsMax: number): unknown[] {
  const layout = layouts[packet.type]
  if (layout === undefined) throw new InvariantError(`packet type ${packet.type} has no table`)
  const count = Math.min(fieldsMax, layout.names.length)
  const values: unknown[] = [packet.type]
  const source = packet as unknown as Record<string, unknown>
  for (let i = 0; i < count; i++) values.push(layout.fields[i]!.encode(source[layout.names[i]!]))
  while (values.length - 1 > layout.fieldsMin && values.at(-1) === null) values.pop()
  return values
}
