import type { Packet } from '@gomq/protocol'

/** Somebody whom the engine talks to under a connection id: a client on a wire, or a door of the broker itself such as HTTP. */
export interface Peer {
  readonly connectionId: number
  /** Takes a packet of the current step. */
  send(packet: Packet): void
  /** The engine is done with the connection; closes once everything sent before is flushed. */
  close(): void
  /** The step is over: what was sent goes out. */
  flush(): void
}
