import { GomqError, type Packet, type Random } from '@gomq/protocol'
import type { Address } from './address.js'
import { Connection } from './connection.js'
import { Servers } from './servers.js'

/** Milliseconds that a connection has to stand before the pauses between attempts start small again. Stops a client from spinning. */
const STABLE_MS = 1000

/** Pause before a cluster that has no leader is asked again: an election takes seconds, and those who wait are not many. */
const LEADERLESS_MS = 200

/** Time that a leader gets to answer to whom a member sends, ms: it may be the one whose end the others have not noticed. */
const LEADER_CONNECT_MS_MAX = 2_000

/** How a link connects. */
export interface LinkOptions {
  /** Tried in turn. */
  readonly addresses: readonly Address[]
  /** For one address, and until a cluster without a leader is given up. */
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

/**
 * Keeps one connection to one of the addresses: connects, and after the first success reconnects until it is closed. In a cluster that is the
 * leader's: a member says who leads, and is believed at once.
 */
export class Link {
  readonly #options: LinkOptions
  readonly #handler: LinkHandler
  readonly #servers: Servers
  #connection: Connection | null = null
  #address: Address | undefined
  #timer: NodeJS.Timeout | null = null
  #attempt: { resolve(): void; reject(error: GomqError): void } | null = null
  #failures = 0
  #isClosed = false
  #isEstablished = false
  #establishedMs = 0
  #closing: Promise<void> | undefined
  #onClosed: (() => void) | null = null

  constructor(options: LinkOptions, handler: LinkHandler) {
    this.#options = options
    this.#servers = new Servers(options.addresses, () => performance.now())
    this.#handler = handler
  }

  /**
   * Tries each address once, and the leader that one of them names; where a cluster has no leader yet, again and again within
   * `connectTimeoutMs`.
   * @throws GomqError UNAVAILABLE, or why the broker refused
   */
  async connect(): Promise<void> {
    const untilMs = performance.now() + this.#options.connectTimeoutMs
    let failure: GomqError | undefined
    let isLeaderless = false
    for (let tries = 1; !this.#isClosed; tries++) {
      try {
        return await this.#tryNext()
      } catch (error) {
        failure = GomqError.from(error)
        isLeaderless ||= isWithoutLeader(failure)
      }
      if (this.#servers.isRedirected || tries % this.#servers.count !== 0) continue
      if (!isLeaderless || performance.now() >= untilMs) break
      isLeaderless = false
      await new Promise((resolve) => setTimeout(resolve, LEADERLESS_MS))
    }
    throw failure ?? new GomqError('CLOSED', 'the client is closed')
  }

  /** The handshake is done. */
  handleEstablished(frameBytesMax: number): void {
    if (this.#connection === null) return
    this.#connection.frameBytesMax = frameBytesMax
    this.#isEstablished = true
    this.#establishedMs = performance.now()
    this.#servers.handleEstablished()
    this.#settleAttempt()?.resolve()
  }

  send(packet: Packet): void {
    this.#connection?.send(packet)
  }

  /** Drops the connection after what was sent; another follows unless the link is closed, to `leader` if one is named. */
  disconnect(error: GomqError, leader?: string): void {
    this.#servers.handleLeader(leader)
    if (error.code !== 'KEEP_ALIVE_TIMEOUT') return this.#connection?.end(error)
    if (this.#address !== undefined) this.#servers.handleSilent(this.#address)
    this.#connection?.destroy(error)
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
    const { connectTimeoutMs } = this.#options
    const timeoutMs = this.#servers.isRedirected ? Math.min(connectTimeoutMs, LEADER_CONNECT_MS_MAX) : connectTimeoutMs
    const address = this.#servers.next()
    this.#address = address
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
        this.#servers.handleSilent(address)
        const message = `${address.text} did not answer within ${timeoutMs} ms`
        connection.destroy(new GomqError('UNAVAILABLE', message))
      }, timeoutMs)
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
    if (!wasEstablished && unavailable.code === 'UNAVAILABLE') this.#servers.handleUnreachable(address)
    this.#settleAttempt()?.reject(unavailable)
    this.#onClosed?.()
    if (!wasEstablished) return
    // A connection that breaks as soon as it stands is no success: pauses go on growing.
    if (performance.now() - this.#establishedMs >= STABLE_MS) this.#failures = 0
    this.#handler.handleLost(error)
    this.#scheduleReconnect(error)
  }

  #scheduleReconnect(failure?: GomqError): void {
    if (this.#isClosed) return
    const { reconnectMinMs, reconnectMaxMs, random } = this.#options
    const rounds = Math.floor(this.#failures / this.#servers.count)
    let boundMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(rounds, 20))
    // Those brokers are well, and will agree soon.
    if (failure !== undefined && isWithoutLeader(failure)) boundMs = Math.min(boundMs, LEADERLESS_MS)
    if (this.#servers.isRedirected) boundMs = 0
    // Half of it by chance, so that clients of a broker that restarts do not come back all at once.
    const delayMs = boundMs * (0.5 + random.next() / 2)
    this.#handler.handleReconnecting(++this.#failures, delayMs)
    this.#timer = setTimeout(() => {
      this.#tryNext().catch((error) => this.#scheduleReconnect(GomqError.from(error)))
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

/** Whether the broker is well and only not the one to talk to. */
function isWithoutLeader({ code }: GomqError): boolean {
  return code === 'NO_LEADER' || code === 'NOT_LEADER'
}
