import { Engine, type EngineOptions, type EngineRead, type Outbox } from '@gomq/engine'
import { type ErrorCode, GomqError, nextOffsetOf, type Offset, type Packet, PacketType } from '@gomq/protocol'
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

/** How often a driver that is held looks whether it may go on. */
const HELD_LOOK_INTERVAL_MS = 20

/** What a driver is made of. */
export interface EngineDriverOptions {
  readonly engine: Omit<EngineOptions, 'outbox'>
  readonly log: Log
  readonly scheduler: Scheduler
  readonly brokerLog: BrokerLog
  /** Bytes appended and not yet committed above which publishers are not read from. */
  readonly unsyncedBytesMax: number
  /** The log has grown. */
  onAppended(bytes: number): void
  /** Whether anything may be acknowledged and delivered at this moment. Cheap: asked in each step that sends something. */
  mayAcknowledge(): boolean
  /** The engine threw: a bug. */
  onFailure(error: unknown): void
}

/**
 * Stands between the engine, which does no IO, and what does: log, wires and time. One input of the engine is one step; what the
 * engine answers is carried out in order, and goes out to the peers when the step ends. It decides nothing about messages.
 *
 * While nothing may be acknowledged it is held: no input runs, nothing leaves, no client is read from, and connections stay.
 */
export class EngineDriver implements ConnectionHost, DoorHost {
  readonly engine: Engine
  partialFrameBytes = 0
  readonly #log: Log
  readonly #scheduler: Scheduler
  readonly #brokerLog: BrokerLog
  readonly #onAppended: (bytes: number) => void
  readonly #mayAcknowledge: () => boolean
  readonly #steps: StepLoop
  readonly #unsynced: UnsyncedBytes
  readonly #sweep = new ConnectionSweep()
  readonly #peers = new Map<number, Peer>()
  /** Every wire that has not closed, whether or not the engine still knows it. */
  readonly #wires = new Set<WireConnection>()
  readonly #waitingForDisk = new Set<WireConnection>()
  /** Publishers that wait for subscribers, and when that is over. */
  readonly #held = new Map<number, Timer>()
  #nextConnectionId = 1
  #tick: Timer | undefined
  #tickAtMs = Number.POSITIVE_INFINITY
  #askedMs = Number.NEGATIVE_INFINITY
  #sweepTimer: Timer | undefined
  #wakeTimer: Timer | undefined
  #heldTimer: Timer | undefined
  #isSuspended = false
  #onWiresClosed: (() => void) | undefined

  constructor(options: EngineDriverOptions) {
    this.#log = options.log
    this.#scheduler = options.scheduler
    this.#brokerLog = options.brokerLog
    this.#onAppended = (bytes) => options.onAppended(bytes)
    this.#unsynced = new UnsyncedBytes(options.unsyncedBytesMax)
    this.#mayAcknowledge = () => options.mayAcknowledge()
    this.#steps = new StepLoop({
      afterStep: () => this.#armTick(),
      onError: (error) => {
        // The log tells of its failure itself, when it has done what it can for the next start.
        if (!(error instanceof LogFailed)) options.onFailure(error)
      },
      mayFlush: this.#mayAcknowledge,
      onHeld: () => this.#handleHeld(),
    })
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

  /** Everything below `highWatermark` has committed. */
  handleCommitted(highWatermark: Offset): void {
    this.#unsynced.handleSynced(highWatermark)
    if (!this.#mayAcknowledge()) this.#steps.hold()
    this.step(() => this.engine.handleCommitted(highWatermark, this.nowMs()))
    if (this.#waitingForDisk.size > 0 && this.#unsynced.isLow) {
      for (const connection of this.#waitingForDisk) connection.resume(PauseReason.DISK)
      this.#waitingForDisk.clear()
    }
  }

  /** Nothing may leave until it is called again with false. */
  handleSuspended(isSuspended: boolean): void {
    this.#isSuspended = isSuspended
    if (isSuspended) this.#steps.hold()
    else this.#releaseIfAllowed()
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

  /**
   * Ends everything without asking the engine, which can no longer be trusted or has nothing to say. What waits to be sent is not.
   * @param leader  `host:port` of the broker that leads, for the clients
   */
  abandon(code: ErrorCode, message: string, leader: string | null = null): void {
    this.stop()
    for (const peer of this.#peers.values()) {
      if (peer instanceof WireConnection) peer.abandon(code, message, leader)
      else {
        peer.send({ type: PacketType.DISCONNECT, code, message, leader })
        peer.close()
      }
    }
    this.#peers.clear()
  }

  /** Lets time pass by. */
  stop(): void {
    this.#steps.stop()
    this.#tick?.cancel()
    this.#sweepTimer?.cancel()
    this.#wakeTimer?.cancel()
    this.#heldTimer?.cancel()
    for (const timer of this.#held.values()) timer.cancel()
  }

  handleDoorPacket(door: Peer, packet: Packet): void {
    this.step(() => this.engine.handlePacket(door.connectionId, packet, this.nowMs()))
  }

  handleDoorOver(door: Peer): void {
    this.#peers.delete(door.connectionId)
    this.step(() => this.engine.handleClosed(door.connectionId, this.nowMs()))
  }

  handlePacket(connection: WireConnection, packet: Packet, nowMs: number): void {
    this.engine.handlePacket(connection.connectionId, packet, nowMs)
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

  #handleHeld(): void {
    for (const connection of this.#wires) if (connection.isOpen) connection.pause(PauseReason.HELD)
    this.#lookWhetherAllowed()
  }

  /** What may be sent can change with time alone. */
  #lookWhetherAllowed(): void {
    this.#heldTimer = this.#scheduler.schedule(HELD_LOOK_INTERVAL_MS, () => {
      if (this.#steps.isHeld && !this.#releaseIfAllowed()) this.#lookWhetherAllowed()
    })
  }

  #releaseIfAllowed(): boolean {
    if (this.#isSuspended || !this.#mayAcknowledge()) return false
    this.#steps.release()
    for (const connection of this.#wires) connection.resume(PauseReason.HELD)
    return true
  }

  #open(door: Peer, name: string): void {
    this.#peers.set(door.connectionId, door)
    this.step(() => this.engine.handleOpen(door.connectionId, { remote: name, isDoor: true }, this.nowMs()))
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
        this.#append(batch)
        this.#unsynced.handleAppended(nextOffsetOf(batch), batch.byteLength)
        this.#onAppended(batch.byteLength)
      },
      read: (token, request) => this.#read(token, request),
      findOffset: (token, timeMs) => this.#findOffset(token, timeMs),
      hold: (connectionId, msMax) => this.#hold(connectionId, msMax),
      release: (connectionId) => this.#release(connectionId),
      wake: () => this.#wake(),
    }
  }

  /** A log that has failed takes nothing. Nobody is told so by a refusal: who publishes would believe it, where the next leader may take the message. */
  #append(batch: Uint8Array): void {
    try {
      this.#log.append(batch)
    } catch (error) {
      throw error instanceof GomqError && error.code !== 'CLOSED' ? new LogFailed(error.message) : error
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

  /** A door has its publisher in this process, and goes on. */
  #hold(connectionId: number, msMax: number): void {
    const peer = this.#peers.get(connectionId)
    if (peer instanceof WireConnection) peer.pause(PauseReason.SUBSCRIBER)
    const over = () => {
      this.#release(connectionId)
      this.step(() => this.engine.handleHoldOver(connectionId, this.nowMs()))
    }
    this.#held.set(connectionId, this.#scheduler.schedule(msMax, over))
  }

  #release(connectionId: number): void {
    this.#held.get(connectionId)?.cancel()
    this.#held.delete(connectionId)
    const peer = this.#peers.get(connectionId)
    if (peer instanceof WireConnection) peer.resume(PauseReason.SUBSCRIBER)
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

/** The log has failed and takes nothing any more. No error of the engine's: it goes through it, and ends the step. */
class LogFailed extends Error {}
