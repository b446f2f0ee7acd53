import { CLIENT_ID_BYTES_MAX } from '../limits.js'
import type { Epoch } from '../numbers.js'
import { bool, bytes, type Field, integer, list, nullable, text, u32 } from './field.js'
import type { PacketTable } from './packet-table.js'
import type { PacketType } from './packet-type.js'

/** The protocol version of this code. CONNECT carries the range that a client speaks; the broker answers with one of it. */
export const PROTOCOL_VERSION = 1

/** First packet of a client. */
export interface ConnectPacket {
  readonly type: typeof PacketType.CONNECT
  readonly requestId: number
  /** Lowest and highest protocol version the client speaks. */
  readonly versionMin: number
  readonly versionMax: number
  /** Names of optional features that the client would use; unknown ones are ignored. */
  readonly features: string[]
  /** Null: the broker makes one up and the client keeps no durable state. */
  readonly clientId: string | null
  /** Reserved for tenants: null today. */
  readonly namespace: string | null
  readonly authMethod: string | null
  readonly authData: Uint8Array | null
  /** Seconds between signs of life; the broker closes after 1.5 times as long. 0: the broker's greatest. */
  readonly keepAliveSec: number
  /** Name and version of the client software, for logs. */
  readonly agent: string
  /** Whether what the broker keeps for this client id is discarded first. */
  readonly cleanSession: boolean
  /** Seconds that the session outlives its connection; the broker may grant less. 0: it ends with the connection. */
  readonly sessionExpirySec: number
  /** A batch of one record that is published when the connection ends without DISCONNECT; null: none. */
  readonly will: Uint8Array | null
  /** Seconds between that end and the will; the session's return cancels it. */
  readonly willDelaySec: number
}

/** The broker's answer to CONNECT, with the limits that hold on this connection. */
export interface ConnackPacket {
  readonly type: typeof PacketType.CONNACK
  readonly requestId: number
  readonly version: number
  /** Those of the client's features that hold. */
  readonly features: string[]
  readonly clientId: string
  /** Whether the broker has kept state for this client id [MQTT-3.2.2-2]. */
  readonly sessionPresent: boolean
  readonly brokerId: string
  readonly epoch: Epoch
  readonly brokerVersion: string
  /** Greatest frame in either direction, without its length field. */
  readonly frameBytesMax: number
  /** Greatest value of one message. */
  readonly messageBytesMax: number
  /** The keep-alive that holds. */
  readonly keepAliveSec: number
  /** Batches that a producer may have sent without their PUBACK. */
  readonly inflightBatchesMax: number
  /** Seconds that the session outlives this connection. */
  readonly sessionExpirySec: number
}

const version = integer(1, 255)
const features: Field<string[]> = list(text(64), 64)
const clientId = text(CLIENT_ID_BYTES_MAX)
const keepAliveSec = integer(0, 65_535)

/** Fields of CONNECT, in their order on the wire. */
export const CONNECT: PacketTable<ConnectPacket> = {
  name: 'CONNECT',
  fields: {
    requestId: u32,
    versionMin: version,
    versionMax: version,
    features,
    clientId: nullable(clientId),
    namespace: nullable(text(256)),
    authMethod: nullable(text(64)),
    authData: nullable(bytes),
    keepAliveSec,
    agent: text(256),
    cleanSession: bool,
    sessionExpirySec: u32,
    will: nullable(bytes),
    willDelaySec: u32,
  },
}

/** Fields of CONNACK, in their order on the wire. */
export const CONNACK: PacketTable<ConnackPacket> = {
  name: 'CONNACK',
  fields: {
    requestId: u32,
    version,
    features,
    clientId,
    sessionPresent: bool,
    brokerId: text(256),
    epoch: integer<Epoch>(0, 0xffff_ffff),
    brokerVersion: text(64),
    frameBytesMax: u32,
    messageBytesMax: u32,
    keepAliveSec,
    inflightBatchesMax: integer(1, 65_535),
    sessionExpirySec: u32,
  },
}
