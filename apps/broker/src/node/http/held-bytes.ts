import { GomqError } from '@gomq/protocol'

/**
 * Counts the bytes that HTTP requests hold: bodies that are being read or stored, and pages on their way to somebody who may not read
 * them. Bounds what all clients together can make the broker keep.
 */
export class HeldBytes {
  readonly #bytesMax: number
  #bytes = 0
  readonly #byRequest = new Map<object, number>()

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** Bytes held now, over all requests. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * The request holds `bytes` more, until {@link release}.
   * @throws GomqError LIMIT_EXCEEDED  all requests together would hold too much; nothing is counted
   */
  hold(request: object, bytes: number): void {
    if (this.#bytes + bytes > this.#bytesMax) {
      throw new GomqError(
        'LIMIT_EXCEEDED',
        `bodies and answers of all HTTP requests take ${this.#bytes} bytes; the limit is ${this.#bytesMax}; try again later`,
      )
    }
    this.#bytes += bytes
    this.#byRequest.set(request, (this.#byRequest.get(request) ?? 0) + bytes)
  }

  /** The request is over. Again, or without {@link hold}: nothing happens. */
  release(request: object): void {
    this.#bytes -= this.#byRequest.get(request) ?? 0
    this.#byRequest.delete(request)
  }
}
