/**
 * One end of a byte stream to a client: a TCP socket, or the simulator's. Calls return at once and never call back into
 * {@link WireHandler} before they have returned.
 */
export interface Wire {
  /** Address of the other end, for logs. */
  readonly remote: string
  /** Bytes taken by {@link write} that have not left yet. */
  readonly pendingBytes: number
  /** Takes bytes to send, in order. The chunks must not change afterwards. After {@link end} or {@link destroy} they are dropped. */
  write(chunks: readonly Uint8Array[]): void
  /** Sends what was taken, then closes; closes anyway if that makes no progress. Again: nothing happens. */
  end(): void
  /** Closes now; what has not left is lost. */
  destroy(): void
  /** Takes no more bytes from the other end until {@link resume}; those already on their way to the handler may still come. */
  pause(): void
  resume(): void
}

/** What happens on a wire. */
export interface WireHandler {
  /** Bytes arrived; the chunk now belongs to the handler. */
  handleBytes(chunk: Uint8Array): void
  /** Some of the pending bytes have left. */
  handleProgress(): void
  /** The wire is gone, for whatever reason; nothing follows. Called once. */
  handleClosed(): void
}
