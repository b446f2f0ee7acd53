import { GomqError, type Packet, type Random } from '@gomq/protocol'
import { type Address, parseAddress } from './address.js'
import { Connection } from './connection.js'

/** Milliseconds that a connection has to stand before the pauses between attempts start small again. Stops a client from spinning. */
const STABLE_MS = 1000

/** Pause before a cluster that has no leader is asked again: an election takes seconds, and those who wait are not many. */
const LEADERLESS_MS = 200

/** Times in a row that a broker's word about who leads is followed at once. Stops two that name each other. */
const REDIRECTS_MAX = 3

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
  #connection: Connection | null = null
  #timer: NodeJS.Timeout | null = null
  #attempt: { resolve(): void; reject(error: GomqError): void } | null = null
  #addressAt = 0
  /** Who leads, as the last broker said; tried next. */
  #leader: Address | null = null
  /** Times in a row that such a word was followed. */
  #redirects = 0
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
      if (this.#isRedirected || tries % this.#options.addresses.length !== 0) continue
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
    this.#redirects = 0
    this.#settleAttempt()?.resolve()
  }

  send(packet: Packet): void {
    this.#connection?.send(packet)
  }

  /** Drops the connection after what was sent; another follows unless the link is closed, to `leader` if one is named. */
  disconnect(error: GomqError, leader?: string): void {
    this.#leader = leader === undefined ? null : this.#addressOf(leader)
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
    const { addresses, connectTimeoutMs } = this.#options
    const isRedirected = this.#isRedirected
    const address = isRedirected ? this.#leader! : addresses[this.#addressAt++ % addresses.length]!
    if (isRedirected) this.#redirects++
    else this.#redirects = 0
    this.#leader = null
    const timeoutMs = isRedirected ? Math.min(connectTimeoutMs, LEADER_CONNECT_MS_MAX) : connectTimeoutMs
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
    this.#settleAttempt()?.reject(unavailable)
    this.#onClosed?.()
    if (!wasEstablished) return
    // A connection that breaks as soon as it stands is no success: pauses go on growing.
    if (performance.now() - this.#establishedMs >= STABLE_MS) this.#failures = 0
    this.#handler.handleLost(error)
    this.#scheduleReconnect(error)
  }

  get #isRedirected(): boolean {
    return this.#leader !== null && this.#redirects < REDIRECTS_MAX
  }

  /** What a broker says is an address, or nothing. Whether TLS is spoken there goes by what the user asked for. */
  #addressOf(leader: string): Address | null {
    try {
      return parseAddress(`${this.#options.addresses[0]!.isTls ? 'gomqs' : 'gomq'}://${leader}`)
    } catch {
      return null
    }
  }

  #scheduleReconnect(failure?: GomqError): void {
    if (this.#isClosed) return
    const { addresses, reconnectMinMs, reconnectMaxMs, random } = this.#options
    const rounds = Math.floor(this.#failures / addresses.length)
    let boundMs = Math.min(reconnectMaxMs, reconnectMinMs * 2 ** Math.min(rounds, 20))
    // Those brokers are well, and will agree soon.
    if (failure !== undefined && isWithoutLeader(failure)) boundMs = Math.min(boundMs, LEADERLESS_MS)
    if (this.#isRedirected) boundMs = 0
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
