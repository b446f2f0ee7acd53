import type { ErrorCode } from '../errors.js'
import { addedLater, errorCode, message, nullable, text, u32 } from './field.js'
import type { PacketTable } from './packet-table.js'
import type { PacketType } from './packet-type.js'

/** A sign of life that wants an answer. */
export interface PingreqPacket {
  readonly type: typeof PacketType.PINGREQ
  readonly requestId: number
}

/** The answer to it. */
export interface PingrespPacket {
  readonly type: typeof PacketType.PINGRESP
  readonly requestId: number
}

/** The last packet of either side. */
export interface DisconnectPacket {
  readonly type: typeof PacketType.DISCONNECT
  /** Null: a normal end. */
  readonly code: ErrorCode | null
  readonly message: string
  /** With NOT_LEADER: `host:port` where the native protocol of the broker that leads is reached; null where nobody is known to lead. Missing is null. */
  readonly leader?: string | null | undefined
}

/** A request was refused; the connection lives on. */
export interface ErrorPacket {
  readonly type: typeof PacketType.ERROR
  /** The refused request. */
  readonly requestId: number
  readonly code: ErrorCode
  readonly message: string
}

/** UTF-16 units of a message in ERROR and DISCONNECT; longer ones are cut. */
export const REASON_LENGTH_MAX = 1024

/** UTF-16 units of an address in DISCONNECT: a host name has 253 at most. */
const ADDRESS_LENGTH_MAX = 300

/** Fields of PINGREQ, in their order on the wire. */
export const PINGREQ: PacketTable<PingreqPacket> = { name: 'PINGREQ', fields: { requestId: u32 } }
/** Fields of PINGRESP, in their order on the wire. */
export const PINGRESP: PacketTable<PingrespPacket> = { name: 'PINGRESP', fields: { requestId: u32 } }
/** Fields of DISCONNECT, in their order on the wire. */
export const DISCONNECT: PacketTable<DisconnectPacket> = {
  name: 'DISCONNECT',
  fields: {
    code: nullable(errorCode),
    message: message(REASON_LENGTH_MAX),
    leader: addedLater(text(ADDRESS_LENGTH_MAX)),
  },
}
/** Fields of ERROR, in their order on the wire. */
export const ERROR: PacketTable<ErrorPacket> = {
  name: 'ERROR',
  fields: { requestId: u32, code: errorCode, message: message(REASON_LENGTH_MAX) },
}
