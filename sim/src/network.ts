import type { Wire, WireHandler } from '@gomq/broker'
import type { VirtualClock } from '@gomq/cluster/testing'
import type { SeededRandom } from '@gomq/protocol/testing'

/** Latency of a chunk. */
const LATENCY_MS_MAX = 5

/** The client's end of a connection. */
export interface ClientEnd {
  /** Takes bytes to send. After the end they are dropped. */
  write(bytes: Uint8Array): void
  /** Sends what was taken, then closes. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

/** What happens at the client's end. */
export interface ClientEndHandler {
  handleOpen(): void
  /** @param sentMs  when the broker sent the first of these bytes */
  handleBytes(chunk: Uint8Array, sentMs: number): void
  /** Once. */
  handleClosed(): void
}

/** What comes out of a pipe. */
interface PipeHandler {
  handleBytes(chunk: Uint8Array, sentMs: number): void
  handleEnd(): void
  handleMoved(): void
}

/** Bytes in one direction: in order, late, cut into chunks anywhere. */
class Pipe {
  isPaused = false
  stalledUntilMs = 0
  pendingBytes = 0
  #chunks: { readonly bytes: Uint8Array; readonly sentMs: number }[] = []
  #isScheduled = false
  #isEnding = false
  #isOver = false
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #handler: PipeHandler

  constructor(clock: VirtualClock, random: SeededRandom, handler: PipeHandler) {
    this.#clock = clock
    this.#random = random
    this.#handler = handler
  }

  write(bytes: Uint8Array): void {
    if (this.#isEnding || this.#isOver || bytes.byteLength === 0) return
    this.#chunks.push({ bytes: bytes.slice(), sentMs: this.#clock.nowMs() })
    this.pendingBytes += bytes.byteLength
    this.wake()
  }

  end(): void {
    this.#isEnding = true
    this.wake()
  }

  /** Loses what is under way; nothing comes out any more. */
  cut(): void {
    this.#isOver = true
    this.#chunks = []
    this.pendingBytes = 0
  }

  /** Sees to it that what waits moves. */
  wake(): void {
    if (this.#isScheduled || this.#isOver || this.isPaused || (this.#chunks.length === 0 && !this.#isEnding)) return
    this.#isScheduled = true
    const stallMs = Math.max(0, this.stalledUntilMs - this.#clock.nowMs())
    this.#clock.schedule(stallMs + this.#random.below(LATENCY_MS_MAX + 1), () => {
      this.#isScheduled = false
      if (this.#clock.nowMs() >= this.stalledUntilMs) this.#move()
      this.wake()
    })
  }

  #move(): void {
    if (this.#isOver || this.isPaused) return
    const chunk = this.#chunks.shift()
    if (chunk === undefined) {
      this.#isOver = true
      this.#handler.handleEnd()
      return
    }
    const { bytes, sentMs } = chunk
    const isWhole = bytes.byteLength < 2 || this.#random.chance(0.7)
    const cutAt = isWhole ? bytes.byteLength : 1 + this.#random.below(bytes.byteLength - 1)
    if (!isWhole) this.#chunks.unshift({ bytes: bytes.subarray(cutAt), sentMs })
    this.pendingBytes -= cutAt
    this.#handler.handleBytes(bytes.slice(0, cutAt), sentMs)
    this.#handler.handleMoved()
  }
}

/** One connection between a client and the broker: a byte stream each way. */
export class Connection implements Wire, ClientEnd {
  readonly remote: string
  /** Of the broker's machine. */
  readonly address: string
  readonly #toBroker: Pipe
  readonly #toClient: Pipe
  readonly #client: ClientEndHandler
  readonly #clock: VirtualClock
  #broker: WireHandler | undefined
  #isBrokerOpen = true
  #isClientOpen = true
  readonly #onOver: () => void

  constructor(
    remote: string,
    address: string,
    clock: VirtualClock,
    random: SeededRandom,
    client: ClientEndHandler,
    onOver: () => void,
  ) {
    this.remote = remote
    this.address = address
    this.#clock = clock
    this.#client = client
    this.#onOver = onOver
    this.#toBroker = new Pipe(clock, random, {
      handleBytes: (chunk) => this.#isBrokerOpen && this.#broker?.handleBytes(chunk),
      handleEnd: () => this.#closeBroker(),
      handleMoved: () => undefined,
    })
    this.#toClient = new Pipe(clock, random, {
      handleBytes: (chunk, sentMs) => this.#isClientOpen && client.handleBytes(chunk, sentMs),
      handleEnd: () => {
        this.#closeClient()
        this.#closeBroker()
      },
      handleMoved: () => this.#isBrokerOpen && this.#broker?.handleProgress(),
    })
  }

  get pendingBytes(): number {
    return this.#toClient.pendingBytes
  }

  /** Connects the broker's side. */
  attach(handler: WireHandler): void {
    this.#broker = handler
  }

  write(bytes: Uint8Array | readonly Uint8Array[]): void {
    if (bytes instanceof Uint8Array) this.#toBroker.write(bytes)
    else for (const chunk of bytes) this.#toClient.write(chunk)
  }

  end(): void {
    this.#toClient.end()
  }

  destroy(): void {
    this.cut()
  }

  /** The client's end says goodbye after what it sent. */
  endClient(): void {
    this.#toBroker.end()
    this.#clock.schedule(0, () => this.#closeClient())
  }

  pause(): void {
    this.#toBroker.isPaused = true
  }

  resume(): void {
    this.#toBroker.isPaused = false
    this.#toBroker.wake()
  }

  /** One direction carries nothing for a while. */
  stall(direction: 'toBroker' | 'toClient', durationMs: number): void {
    const pipe = direction === 'toBroker' ? this.#toBroker : this.#toClient
    pipe.stalledUntilMs = this.#clock.nowMs() + durationMs
  }

  /** The connection breaks and both ends notice; what is under way is lost. */
  cut(): void {
    this.#lose()
    this.#clock.schedule(0, () => {
      this.#closeClient()
      this.#closeBroker()
    })
  }

  /** Only one end notices; the other hears nothing more, and what it sends goes nowhere, until its own clock tells it. */
  halfOpen(noticing: 'client' | 'broker'): void {
    this.#lose()
    this.#clock.schedule(0, () => (noticing === 'client' ? this.#closeClient() : this.#closeBroker()))
  }

  #lose(): void {
    this.#toBroker.cut()
    this.#toClient.cut()
  }

  #closeClient(): void {
    if (!this.#isClientOpen) return
    this.#isClientOpen = false
    this.#client.handleClosed()
    if (!this.#isBrokerOpen) this.#onOver()
  }

  #closeBroker(): void {
    if (!this.#isBrokerOpen) return
    this.#isBrokerOpen = false
    this.#broker?.handleClosed()
    if (!this.#isClientOpen) this.#onOver()
  }
}

/** All connections. */
export class Network {
  readonly #listeners = new Map<string, (wire: Wire) => WireHandler>()
  readonly #clock: VirtualClock
  readonly #random: SeededRandom
  readonly #connections = new Set<Connection>()
  #lastNumber = 0

  constructor(clock: VirtualClock, random: SeededRandom) {
    this.#clock = clock
    this.#random = random
  }

  /** Connections that at least one end takes for open, oldest first. */
  get connections(): readonly Connection[] {
    return [...this.#connections]
  }

  /** From now on `listener` takes new connections at the address; undefined: nobody listens. */
  listen(address: string, listener: ((wire: Wire) => WireHandler) | undefined): void {
    if (listener === undefined) this.#listeners.delete(address)
    else this.#listeners.set(address, listener)
  }

  /** Connects a client; it is told when the connection stands, or that it does not. */
  connect(name: string, address: string, handler: ClientEndHandler): Connection {
    const connection = new Connection(
      `${name}/${++this.#lastNumber}`,
      address,
      this.#clock,
      this.#random,
      handler,
      () => void this.#connections.delete(connection),
    )
    this.#connections.add(connection)
    this.#clock.schedule(1 + this.#random.below(LATENCY_MS_MAX), () => {
      const listener = this.#listeners.get(address)
      if (listener === undefined) return connection.cut()
      connection.attach(listener(connection))
      handler.handleOpen()
    })
    return connection
  }

  /** The machine at the address is gone: every connection with it breaks. */
  cutAll(address: string): void {
    for (const connection of this.connections) if (connection.address === address) connection.cut()
  }
}
