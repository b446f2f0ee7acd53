import type { ConnackPacket, GomqError, Packet } from '@gomq/protocol'

/** What a session does to the world; called in order. */
export interface SessionOutbox {
  send(packet: Packet): void
  /**
   * The connection is of no use any more: close it after what was sent; `error` says why, null for a normal end. `leader` is `host:port` of
   * the broker to connect to next, where this one knows.
   */
  disconnect(error: GomqError | null, leader?: string): void
  /** The handshake is done. */
  connected(connack: ConnackPacket): void
  /** The session is over and must not be reconnected: another took its place, or it is not let in. */
  expelled(error: GomqError): void
}
