import { type ConnectPacket, type Packet, PacketType, PROTOCOL_VERSION } from '@gomq/protocol'
import type { Peer } from './peer.js'

/** What a door asks of its broker. */
export interface DoorHost {
  /** Hands a packet to the engine, in a step. */
  handleDoorPacket(door: Peer, packet: Packet): void
  /** The door is no longer used: the engine and the broker forget it, in a step. */
  handleDoorOver(door: Peer): void
}

/** How a door introduces itself: nobody in particular, with nothing to keep. */
export function doorConnect(agent: string): ConnectPacket {
  return {
    type: PacketType.CONNECT,
    requestId: 1,
    versionMin: PROTOCOL_VERSION,
    versionMax: PROTOCOL_VERSION,
    features: [],
    clientId: null,
    namespace: null,
    authMethod: null,
    authData: null,
    keepAliveSec: 0,
    agent,
    cleanSession: true,
    sessionExpirySec: 0,
    will: null,
    willDelaySec: 0,
  }
}
