import { ClientSession, type PublishRequest } from '@gomq/client/testing'
import {
  CONNECT_FRAME_BYTES_MAX,
  decodePacket,
  encodeFrame,
  FrameSplitter,
  GomqError,
  type Packet,
} from '@gomq/protocol'
import { willValue } from './checker.js'
import type { WillOwner } from './history.js'
import type { Connection } from './network.js'
import { plantedPacket } from './plant.js'
import type { World } from './world.js'

const TICK_MS = 100
const CONNECT_TIMEOUT_MS = 2_000
const RECONNECT_MS_MAX = 400

/** A client's process: one session over as many connections as it takes, until it is killed, expelled or ended. */
export class ClientProcess {
  readonly name: string
  readonly session: ClientSession
  readonly #world: World
  readonly #onExpelled: () => void
  #connection: Connection | undefined
  #splitter = new FrameSplitter(CONNECT_FRAME_BYTES_MAX)
  #state: 'running' | 'ended' | 'killed' = 'running'
  /** When the broker sent the first byte of the frame that comes next. */
  #frameSentMs = 0
  #connectedAtMs = 0
  /** Of the broker that is tried next. */
  #addressAt = 0
  /** Told of everything that arrives, before the session is: when the broker sent it, and what it is. */
  onPacket: (sentMs: number, packet: Packet) => void = () => undefined
  readonly #will: WillOwner | undefined

  /** @param clientId  several processes may come with the same; the newest wins */
  constructor(name: string, clientId: string, world: World, onExpelled: () => void, willTopic: string | null = null) {
    this.name = name
    this.#world = world
    this.#onExpelled = onExpelled
    const will: WillOwner | undefined = willTopic === null ? undefined : { name, connections: 0, isLost: false }
    if (will !== undefined) world.history.wills.push(will)
    this.#will = will
    this.session = new ClientSession({
      clientId,
      authMethod: null,
      authData: null,
      cleanSession: false,
      sessionExpirySec: 7 * 24 * 60 * 60,
      will:
        willTopic === null ? null : { request: willOf(name, willTopic, this.nowMs()), delaySec: world.random.below(3) },
      keepAliveSec: 2,
      agent: 'sim',
      requestTimeoutMs: 8_000,
      bufferBytesMax: 4_096,
      random: world.random,
      crc32: world.crc32,
      outbox: {
        send: (packet) => this.#send(packet),
        disconnect: (error, leader) => this.#disconnect(error, leader),
        connected: (connack) => {
          this.#splitter.frameBytesMax = connack.frameBytesMax
          world.trace.add(name, `connected in epoch ${connack.epoch}`)
        },
        expelled: (error) => this.#expel(error),
      },
    })
    this.#connect()
    this.#tick()
  }

  get isRunning(): boolean {
    return this.#state === 'running'
  }

  get isKilled(): boolean {
    return this.#state === 'killed'
  }

  nowMs(): number {
    return this.#world.clock.nowMs()
  }

  /** Sends what has accumulated. */
  flush(): void {
    if (this.isRunning) this.session.flush(this.nowMs())
  }

  /** Ends in order: what waits fails. */
  end(): void {
    if (!this.isRunning) return
    this.#state = 'ended'
    this.session.end(new GomqError('CLOSED', 'the client is closed'), null)
  }

  /** {@link kill} after the last fault: its will must come. */
  lose(): void {
    if (this.isRunning && this.session.isEstablished && this.#will !== undefined) this.#will.isLost = true
    this.kill()
  }

  /** The process is gone without a word; the broker may notice at once or when its keep-alive runs out. */
  kill(): void {
    if (!this.isRunning) return
    this.#state = 'killed'
    if (this.#world.random.chance(0.5)) this.#connection?.cut()
    else this.#connection?.halfOpen('client')
    this.#connection = undefined
  }

  #connect(): void {
    if (!this.isRunning) return
    this.#splitter = new FrameSplitter(CONNECT_FRAME_BYTES_MAX)
    this.#connectedAtMs = this.nowMs()
    const connection = this.#world.network.connect(this.name, this.#world.addresses[this.#addressAt]!, {
      handleOpen: () => this.#isCurrent(connection) && this.#introduce(),
      handleBytes: (chunk, sentMs) => this.#isCurrent(connection) && this.#take(chunk, sentMs),
      handleClosed: () => this.#isCurrent(connection) && this.#lose(),
    })
    this.#connection = connection
  }

  #introduce(): void {
    if (this.#will !== undefined) this.#will.connections++
    this.session.handleOpen(this.nowMs())
  }

  #isCurrent(connection: Connection): boolean {
    return this.isRunning && this.#connection === connection
  }

  #take(chunk: Uint8Array, sentMs: number): void {
    try {
      if (this.#splitter.bufferedBytes === 0) this.#frameSentMs = sentMs
      this.#splitter.push(chunk)
      for (let frame = this.#splitter.next(); frame !== undefined; frame = this.#splitter.next()) {
        const packet = decodePacket(frame)
        this.onPacket(this.#frameSentMs, packet)
        this.#frameSentMs = sentMs
        this.session.handlePacket(packet, this.nowMs())
        if (this.#connection === undefined) return
      }
    } catch (error) {
      this.#world.report('clients understand the broker', `${this.name}: ${String(error)}`)
      this.#connection?.cut()
    }
    this.flush()
  }

  /** @param leader  where to go then; without one the next broker is tried */
  #lose(leader?: string): void {
    this.#connection = undefined
    const { addresses } = this.#world
    const named = leader === undefined ? -1 : addresses.indexOf(leader)
    this.#addressAt = named >= 0 ? named : (this.#addressAt + 1) % addresses.length
    this.session.handleClosed()
    this.#world.trace.add(this.name, 'lost its connection')
    this.#world.clock.schedule(20 + this.#world.random.below(RECONNECT_MS_MAX), () => this.#connect())
  }

  #disconnect(error: GomqError | null, leader?: string): void {
    const connection = this.#connection
    if (connection === undefined) return
    this.#world.trace.add(this.name, `disconnects: ${error?.code ?? 'done'}`)
    connection.endClient()
    if (this.isRunning) this.#lose(leader)
  }

  #expel(error: GomqError): void {
    this.#world.trace.add(this.name, `expelled: ${error.code}`)
    this.#state = 'ended'
    // The reason says nothing about what was under way, which may be stored.
    this.session.end(new GomqError('CLOSED', 'the client was expelled', { cause: error }), error)
    this.#onExpelled()
  }

  #send(packet: Packet): void {
    this.#connection?.write(encodeFrame(plantedPacket(this.#world.plant, packet, this.#world.crc32)))
  }

  #tick(): void {
    this.#world.clock.schedule(TICK_MS, () => {
      if (!this.isRunning) return
      this.session.handleTick(this.nowMs())
      if (!this.session.isEstablished && this.nowMs() - this.#connectedAtMs > CONNECT_TIMEOUT_MS) {
        this.#connectedAtMs = this.nowMs()
        this.#connection?.cut()
      }
      this.flush()
      this.#tick()
    })
  }
}

/** The message of {@link WillOwner}: unique for a process. */
function willOf(name: string, topic: string, timestampMs: number): PublishRequest {
  const times = { timestampMs, timestampDeltaMs: 0, timeoutMs: 0, ttlMs: 0 }
  return { topic, attributes: 1, key: null, value: willValue(name), headers: null, ...times }
}
