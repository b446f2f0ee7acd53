/** Bytes of a payload that say which message it is. */
export const STAMP_BYTES = 24

/** In the place of a sequence: the producer has published all that it publishes. */
export const END_SEQUENCE: number = -1

/**
 * The head of a payload, by which its message is known again. It is written and read by the same process, so that its numbers are in the order
 * of this machine:
 *
 *     0       4          8          16       24
 *     | run   | producer | sequence | fromMs | ...
 *       u32     u32        f64        f64
 */
export class Stamp {
  readonly #bytes = new Uint8Array(STAMP_BYTES)
  readonly #words = new Uint32Array(this.#bytes.buffer)
  readonly #floats = new Float64Array(this.#bytes.buffer)

  /** The run that it belongs to, so that messages of others are told apart. */
  get run(): number {
    return this.#words[0]!
  }

  get producer(): number {
    return this.#words[1]!
  }

  /** From 0 for each producer, or {@link END_SEQUENCE}. */
  get sequence(): number {
    return this.#floats[1]!
  }

  /** Since when its latency counts, by the clock of the process; below zero: it belongs to the warm-up, and nothing is measured. */
  get fromMs(): number {
    return this.#floats[2]!
  }

  /** Writes a stamp into the head of a payload of at least {@link STAMP_BYTES}. */
  write(payload: Uint8Array, run: number, producer: number, sequence: number, fromMs: number): void {
    this.#words[0] = run
    this.#words[1] = producer
    this.#floats[1] = sequence
    this.#floats[2] = fromMs
    payload.set(this.#bytes)
  }

  /** Reads that of a payload. False: it is too short to have one. */
  read(payload: Uint8Array): boolean {
    if (payload.byteLength < STAMP_BYTES) return false
    // A loop, since `set` would need a view of its own for each message.
    for (let i = 0; i < STAMP_BYTES; i++) this.#bytes[i] = payload[i]!
    return true
  }
}
