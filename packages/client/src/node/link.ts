import { GomqError, type Packet, type Random } from '@gomq/protocol'
import type { Address } from './address.js'
import { Connection } from './connection.js'

/** Milliseconds that a connection has to stand before the pauses between attempts start small again. Stops a client from spinning. */
const STABLE_MS = 1000

/** How a link connects. */
export interface LinkOptions {
  /** Tried in turn. */
  readonly addresses: readonly Address[]
  readonly connectTimeoutMs: number
  readonly reconnectMinMs: number
  readonly reconnectMaxMs: number
  readonly random: Random
}

/** What a link tells its client. */
export interface LinkHandler {
  /** The socket stands; the handshake is due. */
  handleOpen(): void
  handlePacket(packet: Packet): void
  handlePause(): void
  handleBlocked(isBlocked: boolean): void
  /** A connection that was established is gone. */
  handleLost(error: GomqError): void
  /** An attempt failed or a connection is gone: the session has no connection now. */
  handleClosed(): void
  handleReconnecting(attempt: number, delayMs: number): void
}

/** Keeps one connection to one of the addresses: connects, and after the first success reconnects until it is closed. */
export class Link {
  readonly #options: LinkOptions
  readonly #handler: LinkHandler
  #connection: Connection | null = null
  #timer: NodeJS.Timeout | null = null
  #attempt: { resolve(): void; reject(error: GomqError): void } | null = null
  #addressAt = 0
  #failures = 0
  #isClosed = false
  #isEstablished = false
  #establishedMs = 0
  #closing: Promise<void> | undefined
  #onClosed: (() => void) | null = null

  constructor(options: LinkOptions, handler: LinkHandler) {
    this.#options = options
    this.#handler = handler
  }

  /** Tries each address once. @throws GomqError UNAVAILABLE, or why the broker refused */
  async connect(): Promise<void> {
    let failure: GomqError | undefined
    for (let i = 0; i < this.#options.addresses.length && !this.#isClosed; i++) {
      try {
        return await this.#tryNext()
      } catch (error) {
        failure = GomqError.from(error)
      }
    }
    throw failure ?? new GomqError('CLOSED', 'the client is closed')
  }

  /** The handshake is done. */
  handleEstablished(frameBytesMax: number): void {
    if (this.#connection === null) return
    this.#connection.frameBytesMax = frameBytesMax
    this.#isEstablished = true
    this.#establishedMs = performance.now()
    this.#settleAttempt()?.resolve()
  }

  send(packet: Packet): void {
    this.#connection?.send(packet)
  }

  /** Drops the connection after what was sent; another follows unless the link is closed. */
  disconnect(error: GomqError): void {
    if (error.code === 'KEEP_ALIVE_TIMEOUT') this.#connection?.destroy(error)
    else this.#connection?.end(error)
  }

  /** Closes for good and resolves when the socket is closed. Again: the same promise. */
  close(error: GomqError): Promise<void> {
    this.#closing ??= this.#close(error)
    return this.#closing
  }

  #close(error: GomqError): Promise<void> {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const connection = this.#connection
    if (connection === null) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onClosed = resolve
      if (this.#attempt === null) connection.end(error)
      else connection.destroy(error)
    })
  }

  #tryNext(): Promise<void> {
    const address = this.#options.addresses[this.#addressAt++ % this.#options.addresses.length]!
    const { connectTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      this.#attempt = { resolve, reject }
      const handler = this.#handler
      const connection = new Connection(address, {
        handleOpen: () => handler.handleOpen(),
        handlePacket: (packet) => handler.handlePacket(packet),
        handlePause: () => handler.handlePause(),
        handleBlocked: (isBlocked) => handler.handleBlocked(isBlocked),
        handleClosed: (error) => this.#handleClosed(error, address),
      })
      this.#connection = connection
      this.#timer = setTimeout(() => {
        const message = `${address.text} did not answer within ${connectTimeoutMs} ms`
        connection.destroy(new GomqError('UNAVAILABLE', message))
      }, connectTimeoutMs)
    })
  }

  #handleClosed(error: GomqError, address: Address): void {
    const wasEstablished = this.#isEstablished
    this.#connection = null
    this.#isEstablished = false
    this.#handler.handleClosed()
    const unavailable =
      error.code === 'CONNECTION_LOST'
        ? new GomqError('UNAVAILABLE', `no broker at ${address.text}: ${error.message}`)
        : error
    this.#settleAttempt()?.reject(unavailable)
    this.#onClosed?.()
    if (!wasEstablished) return
    // A connection that breaks as soon as it stands is no success: pauses go on growing.
    if (performance.now() - this.#establishedMs >= STABLE_MS) this.#failures = 0
    this.#handler.handleLost(error)
    this.#scheduleReconnect()
  }

  #scheduleReconnect(): void {
    if (this.#isClosed) return
    const { reconnectMinMs, reconnectMaxMs, random } = this.#options
    const boundMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(this.#failures, 20))
    // Half of it by chance, so that clients of a broker that restarts do not come back all at once.
    const delayMs = boundMs * (0.5 + random.next() / 2)
    this.#handler.handleReconnecting(++this.#failures, delayMs)
    this.#timer = setTimeout(() => {
      this.#tryNext().catch(() => this.#scheduleReconnect())
    }, delayMs)
  }

  #settleAttempt(): { resolve(): void; reject(error: GomqError): void } | null {
    const attempt = this.#attempt
    if (attempt === null) return null
    this.#attempt = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    return attempt
  }
}
