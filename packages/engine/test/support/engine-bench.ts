import {
  baseOffsetOf,
  type ConnackPacket,
  type ConnectPacket,
  DEFLATE_FEATURE,
  DeliveredRecords,
  type ErrorCode,
  epoch,
  GomqError,
  isControl,
  nextOffsetOf,
  type Offset,
  type Packet,
  PacketType,
  PROTOCOL_VERSION,
  RETENTION_DEFAULTS,
  type RetentionPolicy,
  type StartPosition,
  topicOf,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import type { Authorizer } from '../../src/authorizer.js'
import { type ControlRecord, decodeControlBatch } from '../../src/control-record.js'
import { Engine } from '../../src/engine.js'
import type { EngineRead } from '../../src/outbox.js'
import { type BatchShape, batchOf } from './client-batch.js'

/** Connection of {@link EngineBench.publishFrom}. */
const PUBLISHER = 900

/** Topics that may have a retained message. */
export const RETAINED_TOPICS_MAX = 120_000

/** An engine on a log that is an array, driven by hand: nothing commits and no read is answered before the test says so. */
export class EngineBench {
  engine: Engine
  /** What was appended, committed or not. */
  readonly log: Uint8Array[] = []
  highWatermark = 0
  /** Reads from below fail. */
  logStart = 0
  nowMs = 1_000_000
  /** Packets sent to each connection since they were last taken. */
  readonly sent = new Map<number, Packet[]>()
  readonly closed = new Set<number>()
  /** Connections that no packets are to be taken of. */
  readonly held = new Set<number>()
  reads: { token: number; read: EngineRead }[] = []
  /** Searches by time that wait for an answer. */
  searches: { token: number; timeMs: number }[] = []
  /** Turns that the engine asked for. */
  wakes = 0
  #epoch = 1
  #nextRequest = 1
  #hasPublisher = false
  /** Connections that read compressed batches. */
  readonly #readers = new Set<number>()
  readonly #authorizer: Authorizer | undefined
  readonly #decompresses: boolean

  /** @param log  a committed log to start from */
  constructor(init: { authorizer?: Authorizer; log?: readonly Uint8Array[]; decompresses?: boolean } = {}) {
    this.#authorizer = init.authorizer
    this.#decompresses = init.decompresses ?? true
    this.log.push(...(init.log ?? []))
    this.highWatermark = this.logEnd
    this.engine = this.#boot()
    this.commitAll()
  }

  get logEnd(): number {
    const last = this.log.at(-1)
    return last === undefined ? 0 : nextOffsetOf(last)
  }

  /** The broker dies: what is not committed is gone, and an engine of a new epoch folds the rest; its first record commits. */
  crash({ commits = true }: { commits?: boolean } = {}): void {
    while (this.log.length > 0 && nextOffsetOf(this.log.at(-1)!) > this.highWatermark) this.log.pop()
    this.sent.clear()
    this.reads = []
    this.searches = []
    this.wakes = 0
    this.#epoch++
    this.#hasPublisher = false
    this.engine = this.#boot()
    if (commits) this.commitAll()
  }

  /** A connection that has completed CONNECT; commits as much as that takes. */
  connect(connectionId: number, clientId: string | null, fields: Partial<ConnectPacket> = {}, isDoor = false): void {
    this.sendConnect(connectionId, clientId, fields, isDoor)
    let batches = 1
    while (!this.closed.has(connectionId) && !this.#hasConnack(connectionId) && batches <= this.log.length)
      this.commit(batches++)
  }

  /** A connection that has sent CONNECT; nothing commits. */
  sendConnect(
    connectionId: number,
    clientId: string | null,
    fields: Partial<ConnectPacket> = {},
    isDoor = false,
  ): void {
    this.engine.handleOpen(connectionId, { remote: `client-${connectionId}`, isDoor }, this.nowMs)
    if (fields.features?.includes(DEFLATE_FEATURE)) this.#readers.add(connectionId)
    this.packet(connectionId, {
      type: PacketType.CONNECT,
      requestId: this.requestId(),
      versionMin: PROTOCOL_VERSION,
      versionMax: PROTOCOL_VERSION,
      features: [],
      clientId,
      namespace: null,
      authMethod: null,
      authData: null,
      keepAliveSec: 0,
      agent: 'test',
      cleanSession: false,
      sessionExpirySec: 3600,
      will: null,
      willDelaySec: 0,
      ...fields,
    })
  }

  /** The client says goodbye. */
  leave(connectionId: number): void {
    this.packet(connectionId, { type: PacketType.DISCONNECT, code: null, message: '' })
  }

  /** The connection breaks. */
  lose(connectionId: number): void {
    this.engine.handleClosed(connectionId, this.nowMs)
  }

  /** Time passes, in steps as a driver takes them: to each deadline that the engine names. Everything commits after each step. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms
    for (;;) {
      const nextMs = this.engine.nextDeadlineMs() ?? endMs
      this.nowMs = Math.min(endMs, Math.max(nextMs, this.nowMs + 1))
      this.engine.handleTick(this.nowMs)
      this.commitAll()
      if (this.nowMs >= endMs) return
    }
  }

  /** Puts a policy; it commits. */
  putPolicy(filter: string, fields: Partial<RetentionPolicy> = {}): void {
    this.engine.putPolicy({ ...RETENTION_DEFAULTS, filter, ...fields }, this.nowMs)
    this.commitAll()
  }

  /** A survey of the policies as they are asks for floors. @returns whether a tick was logged; it has not committed */
  survey(...floors: readonly (readonly [filter: string, before: number])[]): boolean {
    const wanted = floors.map(([filter, before]) => ({ filter, before: before as Offset }))
    const { version } = this.engine.retentionRules()
    return this.engine.handleSurvey(wanted, version, this.nowMs) !== undefined
  }

  /** Floors rise; the tick commits. */
  raise(...floors: readonly (readonly [filter: string, before: number])[]): void {
    this.survey(...floors)
    this.commitAll()
  }

  /** The cleaner takes away the committed data batches that `isGone` names. */
  clean(isGone: (batch: Uint8Array) => boolean = (batch) => this.engine.listing.isDead(topicOf(batch), batch)): void {
    const kept = this.log.filter(
      (batch) => isControl(batch) || nextOffsetOf(batch) > this.highWatermark || !isGone(batch),
    )
    this.log.splice(0, this.log.length, ...kept)
  }

  /** The log begins at `offset` from now on; the engine is told. */
  moveStart(offset: number): void {
    this.logStart = offset
    this.engine.handleLogStart(offset as Offset)
  }

  /** Everything that the control records of the log say. */
  controlRecords(): ControlRecord[] {
    return this.log.filter(isControl).flatMap(decodeControlBatch)
  }

  /** Data batches in the log. */
  dataBatches(): Uint8Array[] {
    return this.log.filter((batch) => !isControl(batch))
  }

  packet(connectionId: number, packet: Packet): void {
    this.engine.handlePacket(connectionId, packet, this.nowMs)
  }

  requestId(): number {
    return this.#nextRequest++
  }

  publish(connectionId: number, topic: string, values: readonly string[], shape: BatchShape = {}): number {
    const requestId = shape.qos === 0 ? 0 : this.requestId()
    this.packet(connectionId, { type: PacketType.PUBLISH, requestId, batch: batchOf(topic, values, shape) })
    return requestId
  }

  /** Another client publishes; everything commits. */
  publishFrom(topic: string, values: readonly string[], shape: BatchShape = {}): void {
    if (!this.#hasPublisher) this.connect(PUBLISHER, null)
    this.#hasPublisher = true
    this.publish(PUBLISHER, topic, values, shape)
    this.commitAll()
  }

  subscribe(
    connectionId: number,
    subscriptionId: number,
    filters: string[],
    options: {
      name?: string
      qos?: number
      from?: StartPosition
      messages?: number
      bytes?: number
      retained?: boolean
    } = {},
  ): number {
    const requestId = this.requestId()
    this.packet(connectionId, {
      type: PacketType.SUBSCRIBE,
      requestId,
      subscriptionId,
      filters,
      qos: options.qos ?? 1,
      name: options.name ?? null,
      from: options.from ?? { kind: 'new' },
      creditMessages: options.messages ?? 1_000_000,
      creditBytes: options.bytes ?? 1_000_000_000,
      retained: options.retained ?? false,
    })
    return requestId
  }

  /** Commits everything up to the end of batch number `count` of the log. */
  commit(batches: number): void {
    const last = this.log[Math.min(batches, this.log.length) - 1]
    if (last === undefined || nextOffsetOf(last) <= this.highWatermark) return
    this.highWatermark = nextOffsetOf(last)
    this.engine.handleCommitted(this.highWatermark as Offset, this.nowMs)
  }

  /** Commits and answers until nothing is left to do. */
  commitAll(): void {
    while (this.reads.length > 0 || this.wakes > 0 || this.highWatermark < this.logEnd) {
      while (this.wakes > 0) this.wake()
      this.commit(this.log.length)
      while (this.reads.length > 0) this.answerRead()
    }
  }

  /** Lets the engine go on with what it asked a turn for. */
  wake(): void {
    if (this.wakes === 0) return
    this.wakes--
    this.engine.handleWake(this.nowMs)
  }

  /** Answers the oldest read from the committed log. */
  answerRead(): void {
    const next = this.reads.shift()
    if (next === undefined) return
    const { from, bytesMax, wants } = next.read
    if (from < this.logStart) {
      const error = new GomqError('OFFSET_OUT_OF_RANGE', `offset ${from} is below ${this.logStart}`)
      this.engine.handleRead(next.token, { error, logStartOffset: this.logStart as Offset }, this.nowMs)
      return
    }
    const batches: Uint8Array[] = []
    let bytes = 0
    let nextOffset: number = from
    let isThinned = false
    for (const batch of this.log) {
      if (nextOffsetOf(batch) <= from) continue
      if (nextOffsetOf(batch) > this.highWatermark || bytes >= bytesMax) break
      isThinned ||= baseOffsetOf(batch) > nextOffset
      nextOffset = nextOffsetOf(batch)
      if (isControl(batch) || !wants(topicOf(batch))) continue
      batches.push(batch)
      bytes += batch.byteLength
    }
    this.engine.handleRead(next.token, { batches, nextOffset: nextOffset as Offset, isThinned }, this.nowMs)
  }

  /** Packets for a connection since the last call. */
  take(connectionId: number): Packet[] {
    const packets = this.sent.get(connectionId) ?? []
    this.sent.delete(connectionId)
    return packets
  }

  /** Code of the ERROR that answered a request, or of the DISCONNECT that ended the connection, since the last call. */
  takeRefusal(connectionId: number): ErrorCode | null | undefined {
    const refusal = this.take(connectionId).find(
      (packet) => packet.type === PacketType.ERROR || packet.type === PacketType.DISCONNECT,
    )
    return refusal !== undefined && 'code' in refusal ? refusal.code : undefined
  }

  /** CONNACK since the last call. */
  takeConnack(connectionId: number): ConnackPacket | undefined {
    return this.take(connectionId).find((packet) => packet.type === PacketType.CONNACK)
  }

  /** Texts of the messages delivered to a connection since the last call. */
  takeTexts(connectionId: number): string[] {
    return this.takeDelivered(connectionId).map(({ text }) => text)
  }

  /** Offset and text of each message delivered to a connection since the last call, by subscription. */
  takeDelivered(connectionId: number): { subscriptionId: number; topic: string; offset: number; text: string }[] {
    const delivered: { subscriptionId: number; topic: string; offset: number; text: string }[] = []
    const reader = this.#readers.has(connectionId) ? inflate : undefined
    for (const packet of this.take(connectionId)) {
      if (packet.type !== PacketType.DELIVER) continue
      const records =
        packet.header === null
          ? DeliveredRecords.ofBatch(packet.payload, crc32, { ranges: packet.ranges, inflate: reader })
          : DeliveredRecords.ofPart(packet.header, packet.ranges!, packet.payload)
      for (let i = 0; i < records.count; i++) {
        const text = new TextDecoder().decode(records.record(i).value).trimEnd()
        delivered.push({
          subscriptionId: packet.subscriptionId,
          topic: records.topic,
          offset: records.offsetAt(i),
          text,
        })
      }
    }
    return delivered
  }

  /** Stretches that a connection was told to have missed since the last call; other packets stay. */
  takeMissed(connectionId: number): [from: number, to: number][] {
    const packets = this.take(connectionId)
    const missed: [number, number][] = []
    const others: Packet[] = []
    for (const packet of packets)
      if (packet.type === PacketType.MISSED) missed.push([packet.from, packet.to])
      else others.push(packet)
    this.sent.set(connectionId, others)
    return missed
  }

  #hasConnack(connectionId: number): boolean {
    return (this.sent.get(connectionId) ?? []).some((packet) => packet.type === PacketType.CONNACK)
  }

  #boot(): Engine {
    const engine = new Engine({
      brokerId: 'b1',
      brokerVersion: '0.0.0',
      epoch: epoch(this.#epoch),
      crc32,
      ...(this.#decompresses && { inflate }),
      random: new SeededRandom(this.#epoch),
      limits: { messageBytesMax: 100_000, retainedTopicsMax: RETAINED_TOPICS_MAX },
      durability: 'synced',
      logStartOffset: this.logStart as Offset,
      logEndOffset: this.logEnd as Offset,
      lastAppendTimeMs: 0,
      ...(this.#authorizer === undefined ? {} : { authorizer: this.#authorizer }),
      outbox: {
        send: (connectionId, packet) => {
          const packets = this.sent.get(connectionId)
          if (packets === undefined) this.sent.set(connectionId, [packet])
          else packets.push(packet)
        },
        close: (connectionId) => this.closed.add(connectionId),
        append: (batch) => {
          if (baseOffsetOf(batch) !== this.logEnd)
            throw new Error(`appended at ${baseOffsetOf(batch)} to a log that ends at ${this.logEnd}`)
          this.log.push(batch)
        },
        read: (token, read) => this.reads.push({ token, read }),
        findOffset: (token, timeMs) => this.searches.push({ token, timeMs }),
        hold: (connectionId) => this.held.add(connectionId),
        release: (connectionId) => this.held.delete(connectionId),
        wake: () => void this.wakes++,
      },
    })
    for (const batch of this.log) engine.replay(batch)
    engine.start(this.nowMs)
    return engine
  }
}
