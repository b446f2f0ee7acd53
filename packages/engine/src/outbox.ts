import type { Offset, Packet } from '@gomq/protocol'

/** Which stored batches the engine wants to see. */
export interface EngineRead {
  readonly from: Offset
  readonly bytesMax: number
  /** Whether batches of this topic are wanted; control batches never are. */
  readonly wants: (topic: string) => boolean
}

/** What the driver answers. */
export type EngineReadResult =
  | {
      readonly batches: readonly Uint8Array[]
      readonly nextOffset: Offset
      /** Whether batches may have stood there that were removed; false where it is missing. */
      readonly isThinned?: boolean
    }
  | {
      readonly error: unknown
      /** Where the log begins now: a read from below goes on there. */
      readonly logStartOffset?: Offset
    }

/** What the engine wants done, called in order. */
export interface Outbox {
  send(connectionId: number, packet: Packet): void
  /** Closes after everything sent before has left. */
  close(connectionId: number): void
  /** Appends a stamped batch to the log. */
  append(batch: Uint8Array): void
  /** Reads committed batches and answers with `handleRead(token, ...)`. */
  read(token: number, read: EngineRead): void
  /** Finds the first offset appended at `timeMs` or later and answers with `handleOffset(token, ...)`. */
  findOffset(token: number, timeMs: number): void
  /** Takes no more packets of the connection until it is released, or has been held for `msMax`: answers with `handleHoldOver` then. */
  hold(connectionId: number, msMax: number): void
  /** Takes packets of a held connection again, without an answer. */
  release(connectionId: number): void
  /** There is more to do than fits in one turn: answers with `handleWake` when the inputs that wait have had theirs. */
  wake(): void
}
