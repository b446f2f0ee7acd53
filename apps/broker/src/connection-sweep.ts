import { CONNECT_TIMEOUT_MS, OUTPUT_STALL_MS } from './limits.js'
import type { WireConnection } from './wire-connection.js'

/**
 * The deadlines of connections that the engine does not know: CONNECT must be complete in time, and output must move. Both are
 * the same for all connections, so that each set is in the order of its deadlines.
 */
export class ConnectionSweep {
  readonly #unestablished = new Set<WireConnection>()
  readonly #blocked = new Set<WireConnection>()

  handleOpened(connection: WireConnection): void {
    this.#unestablished.add(connection)
  }

  handleEstablished(connection: WireConnection): void {
    this.#unestablished.delete(connection)
  }

  handleBlocked(connection: WireConnection): void {
    this.#blocked.add(connection)
  }

  handleWritable(connection: WireConnection): void {
    this.#blocked.delete(connection)
  }

  handleOver(connection: WireConnection): void {
    this.#unestablished.delete(connection)
    this.#blocked.delete(connection)
  }

  /** Whether a later {@link sweep} could find something. */
  get isWatching(): boolean {
    return this.#unestablished.size > 0 || this.#blocked.size > 0
  }

  /** Refuses the connections whose time is up. */
  sweep(nowMs: number): void {
    for (const connection of [...this.#unestablished]) {
      if (nowMs < connection.startedMs + CONNECT_TIMEOUT_MS) break
      connection.refuse(
        'CONNECT_TIMEOUT',
        `no complete CONNECT within ${CONNECT_TIMEOUT_MS / 1000} s; send it as soon as the connection stands`,
      )
    }
    for (const connection of [...this.#blocked]) {
      if (nowMs < connection.progressMs + OUTPUT_STALL_MS) continue
      connection.refuse(
        'SLOW_CONSUMER',
        `${connection.pendingBytes} bytes were not read and none moved for ${OUTPUT_STALL_MS / 1000} s; read faster, or ask for less credit`,
      )
    }
  }
}
