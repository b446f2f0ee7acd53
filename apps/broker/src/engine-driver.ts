import { Engine, type EngineOptions, type EngineRead, type Outbox } from '@gomq/engine'
import { type ErrorCode, nextOffsetOf, type Offset, type Packet } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import { ConnectionSweep } from './connection-sweep.js'
import { Door } from './door.js'
import type { DoorHost } from './door-host.js'
import type { Peer } from './peer.js'
import { printable } from './printable.js'
import { type DoorReader, type DoorSubscription, ReadingDoor } from './reading-door.js'
import type { Scheduler, Timer } from './scheduler.js'
import { StepLoop } from './step-loop.js'
import { UnsyncedBytes } from './unsynced-bytes.js'
import type { Wire, WireHandler } from './wire.js'
import { type ConnectionHost, PauseReason, WireConnection } from './wire-connection.js'

/** How often the deadlines of connections are looked at. */
const SWEEP_INTERVAL_MS = 1_000

/** How late a deadline of the engine may be noticed. */
const DEADLINE_INTERVAL_MS = 100

/** What a driver is made of. */
export interface EngineDriverOptions {
  readonly engine: Omit<EngineOptions, 'outbox'>
  readonly log: Log
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** Bytes appended and not yet on disk above which publishers are not read from. */
  readonly unsyncedBytesMax: number
  /** The log has grown. */
  onAppended(bytes: number): void
  /** The engine threw: a bug. */
  onFailure(error: unknown): void
}

/**
 * Stands between the engine, which does no IO, and what does: log, wires and time. One input of the engine is one step; what the
 * engine answers is carried out in order, and goes out to the peers when the step ends. It decides nothing about messages.
 */
export class EngineDriver implements ConnectionHost, DoorHost {
  readonly engine: Engine
  partialFrameBytes = 0
  readonly #log: Log
  readonly #scheduler: Scheduler
  readonly #brokerLog: BrokerLog
  readonly #onAppended: (bytes: number) => void
  readonly #steps: StepLoop
  readonly #unsynced: UnsyncedBytes
  readonly #sweep = new ConnectionSweep()
  readonly #peers = new Map<number, Peer>()
  /** Every wire that has not closed, whether or not the engine still knows it. */
  readonly #wires = new Set<WireConnection>()
  readonly #waitingForDisk = new Set<WireConnection>()
  #nextConnectionId = 1
  #tick: Timer | undefined
  #tickAtMs = Number.POSITIVE_INFINITY
  #askedMs = Number.NEGATIVE_INFINITY
  #sweepTimer: Timer | undefined
  #wakeTimer: Timer | undefined
  #onWiresClosed: (() => void) | undefined

  constructor(options: EngineDriverOptions) {
    this.#log = options.log
    this.#scheduler = options.scheduler
    this.#brokerLog = options.brokerLog
    this.#onAppended = (bytes) => options.onAppended(bytes)
    this.#unsynced = new UnsyncedBytes(options.unsyncedBytesMax)
    this.#steps = new StepLoop(
      () => this.#armTick(),
      (error) => options.onFailure(error),
    )
    this.engine = new Engine({ ...options.engine, outbox: this.#outbox() })
  }

  nowMs(): number {
    return this.#scheduler.nowMs()
  }

  step(run: () => void): void {
    this.#steps.step(run)
  }

  /** Takes a new wire; its events go to the answer. */
  accept(wire: Wire): WireHandler {
    const connection = new WireConnection(this.#nextConnectionId++, wire, this)
    this.#wires.add(connection)
    this.#peers.set(connection.connectionId, connection)
    this.#sweep.handleOpened(connection)
    this.#armSweep()
    this.step(() => this.engine.handleOpen(connection.connectionId, { remote: wire.remote }, this.nowMs()))
    return connection
  }

  /** Opens a door of the broker's own. */
  openDoor(name: string): Door {
    const door = new Door(this.#nextConnectionId++, this)
    this.#open(door, name)
    door.connect(name)
    return door
  }

  /** Opens a door that reads a subscription. */
  openReadingDoor(name: string, subscription: DoorSubscription, reader: DoorReader): ReadingDoor {
    const door = new ReadingDoor(this.#nextConnectionId++, this, subscription, reader)
    this.#open(door, name)
    door.connect(name)
    return door
  }

  /** Everything below `syncedOffset` is on disk: on a broker alone, that commits it. */
  handleSynced(syncedOffset: Offset): void {
    this.#unsynced.handleSynced(syncedOffset)
    this.#log.setHighWatermark(syncedOffset)
    this.step(() => this.engine.handleCommitted(syncedOffset, this.nowMs()))
    if (this.#waitingForDisk.size > 0 && this.#unsynced.isLow) {
      for (const connection of this.#waitingForDisk) connection.resume(PauseReason.DISK)
      this.#waitingForDisk.clear()
    }
  }

  /** Takes no more from the clients; what they were promised still goes out. */
  stopReading(): void {
    for (const connection of this.#wires) if (connection.isOpen) connection.pause(PauseReason.STOPPING)
  }

  /** Settles when every wire has closed. */
  wiresClosed(): Promise<void> {
    return new Promise((resolve) => {
      this.#onWiresClosed = resolve
      if (this.#wires.size === 0) resolve()
    })
  }

  /** Ends everything without asking the engine, which can no longer be trusted or has nothing to say. */
  abandon(code: ErrorCode, message: string): void {
    this.stop()
    for (const peer of this.#peers.values()) {
      if (peer instanceof WireConnection) peer.abandon(code, message)
      else peer.close()
    }
    this.#peers.clear()
  }

  /** Lets time pass by. */
  stop(): void {
    this.#steps.stop()
    this.#tick?.cancel()
    this.#sweepTimer?.cancel()
    this.#wakeTimer?.cancel()
  }

  handleDoorPacket(door: Peer, packet: Packet): void {
    this.step(() => this.engine.handlePacket(door.connectionId, packet, this.nowMs()))
  }

  handleDoorOver(door: Peer): void {
    this.#peers.delete(door.connectionId)
    this.step(() => this.engine.handleClosed(door.connectionId, this.nowMs()))
  }

  handlePacket(connection: WireConnection, packet: Packet): void {
    this.engine.handlePacket(connection.connectionId, packet, this.nowMs())
  }

  handleRead(connection: WireConnection): void {
    if (!this.#unsynced.isOver) return
    this.#waitingForDisk.add(connection)
    connection.pause(PauseReason.DISK)
  }

  handleEstablished(connection: WireConnection): void {
    this.#sweep.handleEstablished(connection)
  }

  handleBlocked(connection: WireConnection): void {
    this.#sweep.handleBlocked(connection)
    this.#armSweep()
    this.engine.handleBlocked(connection.connectionId)
  }

  handleWritable(connection: WireConnection): void {
    this.#sweep.handleWritable(connection)
    this.engine.handleWritable(connection.connectionId, this.nowMs())
  }

  handleOver(connection: WireConnection, reason: ErrorCode | null, message: string): void {
    this.#peers.delete(connection.connectionId)
    this.#sweep.handleOver(connection)
    this.#waitingForDisk.delete(connection)
    this.#steps.markDirty(connection)
    this.step(() => this.engine.handleClosed(connection.connectionId, this.nowMs()))
    if (reason !== null) {
      this.#brokerLog.info(
        { remote: connection.remote, code: reason, reason: printable(message) },
        'a connection was refused',
      )
    }
  }

  handleWireClosed(connection: WireConnection): void {
    this.#wires.delete(connection)
    if (this.#wires.size === 0) this.#onWiresClosed?.()
  }

  #open(door: Peer, name: string): void {
    this.#peers.set(door.connectionId, door)
    this.step(() => this.engine.handleOpen(door.connectionId, { remote: name }, this.nowMs()))
  }

  #outbox(): Outbox {
    return {
      send: (connectionId, packet) => {
        const peer = this.#peers.get(connectionId)
        if (peer === undefined) return
        peer.send(packet)
        this.#steps.markDirty(peer)
      },
      close: (connectionId) => this.#peers.get(connectionId)?.close(),
      append: (batch) => {
        this.#log.append(batch)
        this.#unsynced.handleAppended(nextOffsetOf(batch), batch.byteLength)
        this.#onAppended(batch.byteLength)
      },
      read: (token, request) => this.#read(token, request),
      findOffset: (token, timeMs) => this.#findOffset(token, timeMs),
      wake: () => this.#wake(),
    }
  }

  #read(token: number, request: EngineRead): void {
    this.#log.read(request).then(
      (result) => this.step(() => this.engine.handleRead(token, result, this.nowMs())),
      (error: unknown) =>
        this.step(() => {
          const { logStartOffset } = this.#log
          this.engine.handleRead(token, { error, logStartOffset }, this.nowMs())
        }),
    )
  }

  #findOffset(token: number, timeMs: number): void {
    this.#log.offsetForTime(timeMs).then(
      (offset) => this.step(() => this.engine.handleOffset(token, { offset }, this.nowMs())),
      (error: unknown) => this.step(() => this.engine.handleOffset(token, { error }, this.nowMs())),
    )
  }

  #wake(): void {
    this.#wakeTimer = this.#scheduler.schedule(0, () => this.step(() => this.engine.handleWake(this.nowMs())))
  }

  /** Asks the engine for its next deadline, at most once in a while: with many connections the question is not free. */
  #armTick(): void {
    const nowMs = this.nowMs()
    const askAtMs = this.#askedMs + DEADLINE_INTERVAL_MS
    if (nowMs < askAtMs) {
      if (askAtMs < this.#tickAtMs) this.#scheduleTick(askAtMs, nowMs)
      return
    }
    this.#askedMs = nowMs
    const deadlineMs = this.engine.nextDeadlineMs()
    if (deadlineMs !== undefined && deadlineMs < this.#tickAtMs) this.#scheduleTick(deadlineMs, nowMs)
  }

  #scheduleTick(atMs: number, nowMs: number): void {
    this.#tick?.cancel()
    this.#tickAtMs = atMs
    this.#tick = this.#scheduler.schedule(Math.max(0, atMs - nowMs), () => {
      this.#tickAtMs = Number.POSITIVE_INFINITY
      this.step(() => this.engine.handleTick(this.nowMs()))
    })
  }

  #armSweep(): void {
    this.#sweepTimer ??= this.#scheduler.schedule(SWEEP_INTERVAL_MS, () => {
      this.#sweepTimer = undefined
      this.step(() => this.#sweep.sweep(this.nowMs()))
      if (this.#sweep.isWatching) this.#armSweep()
    })
  }
}
