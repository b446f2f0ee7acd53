import { Broker, type Wire, type WireHandler } from '@gomq/broker'
import { GomqError, InvariantError } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { replicaRecordStore } from '@gomq/storage'
import { SimDisk } from '@gomq/storage/testing'
import { brokerParts } from '../broker-parts.js'
import { type DiskPace, FaultyFileSystem } from '../faulty-file-system.js'
import type { World } from '../world.js'
import { BrokerLife } from './broker-life.js'
import type { ClusterPorts } from './cluster-ports.js'

/** Longer than a handover and a leave may take. */
const STOP_MS_MAX = 20_000

/** A machine of a cluster, with its disk and calendar, on which a broker's process runs, dies and is started again. */
export class ClusterMachine {
  readonly id: string
  readonly pace: DiskPace
  /** What the calendar is off by; a process takes it up when it starts. */
  wallOffsetMs = 0
  disk!: SimDisk
  /** Disks that the machine has had. */
  disks = 0
  /** Of the disk, once it has one. */
  storeId = ''
  /** How far disks that are gone were synced. */
  readonly #ghosts: number[] = []
  #syncedOffset = 0
  readonly #world: World
  readonly #ports: ClusterPorts
  #life: BrokerLife | undefined
  #starts = 0

  constructor(world: World, ports: ClusterPorts, id: string) {
    this.#world = world
    this.#ports = ports
    this.id = id
    this.pace = { syncMsMax: 5, ignoresSyncs: world.plant === 'unsynced-acks' }
    this.#newDisk()
    this.start()
  }

  /** The process, while there is one. */
  get life(): BrokerLife | undefined {
    return this.#life
  }

  /** The broker, unless its process is down or stands still. */
  get broker(): Broker | undefined {
    const life = this.#life
    return life === undefined || life.clock.isPaused ? undefined : life.broker
  }

  /** Whether one of its disks has everything below synced. */
  hasSynced(offset: number): boolean {
    return Math.max(this.#life?.log?.syncedOffset ?? this.#syncedOffset, ...this.#ghosts) >= offset
  }

  /** The power fails, and nothing answers there until the machine is back. @param isWiped  whether it comes back with an empty disk */
  crash(restartMs: number, isWiped = false): void {
    this.#world.trace.add(this.id, isWiped ? 'power fails, and the disk is lost' : 'power fails')
    this.#die()
    this.disk.crash()
    this.#ports.network.setDown(this.id, true)
    if (isWiped) this.#newDisk()
    this.#startLater(restartMs)
  }

  /** The process is killed; the system and its cache live on. */
  kill(restartMs: number): void {
    this.#world.trace.add(this.id, 'process is killed')
    this.#die()
    this.#startLater(restartMs)
  }

  /** The process stops in order and is started again. */
  stop(): void {
    const life = this.#life
    if (life?.broker === undefined || life.isStopping || life.clock.isPaused) return
    life.isStopping = true
    this.#world.trace.add(this.id, 'stops')
    this.#world.network.listen(this.id, undefined)
    const finish = (how: string) => {
      if (this.#life !== life) return
      this.#world.trace.add(this.id, how)
      this.#die()
      this.#startLater(150)
    }
    life.broker.shutdown().then(
      () => finish('stopped'),
      (error: unknown) => finish(`stop failed: ${String(error)}`),
    )
    // A supervisor kills what does not stop.
    this.#world.clock.schedule(STOP_MS_MAX, () => finish('is killed, since it does not stop'))
  }

  /** The process stands still for a while. */
  pause(durationMs: number, stopsTime: boolean): void {
    const life = this.#life
    if (life === undefined || life.clock.isPaused) return
    this.#world.trace.add(this.id, `stands still for ${durationMs} ms${stopsTime ? ', and so does its clock' : ''}`)
    life.clock.pause(stopsTime)
    this.#world.clock.schedule(durationMs, () => life.clock.resume())
  }

  /** Ends what lasts; a machine that is down starts. */
  heal(): void {
    this.disk.faults.syncsUntilError = undefined
    this.pace.syncMsMax = 5
    this.#life?.clock.resume()
    if (this.#life === undefined) this.start()
  }

  /** The process starts. */
  start(): void {
    this.#starts++
    const { world, ports } = { world: this.#world, ports: this.#ports }
    ports.network.setDown(this.id, false)
    const life = new BrokerLife(
      world,
      ports,
      this,
      (clock) => new FaultyFileSystem(this.disk.mount(), clock, world.random, this.pace),
    )
    this.#life = life
    this.#open(life).then(
      (broker) => {
        if (this.#life !== life) return
        life.broker = broker
        world.trace.add(this.id, `is up, high watermark ${broker.highWatermark}`)
        world.network.listen(this.id, (wire) => this.#accept(life, wire))
      },
      (error: unknown) => this.#fail(life, error),
    )
  }

  async #open(life: BrokerLife): Promise<Broker> {
    const { fs, clock } = life
    const records = replicaRecordStore({ fs, directory: 'data', crc32: this.#world.crc32 })
    const isFilling = (await records.load())?.isFilling ?? false
    return Broker.open({
      ...brokerParts(this.#world, this.id, fs, clock),
      brokerId: this.id,
      cluster: { isFilling, replicate: (parts) => life.replicate(parts, records) },
      onFailure: (error) => this.#fail(life, error),
    })
  }

  /** What a connection brings waits while the process stands still. */
  #accept(life: BrokerLife, wire: Wire): WireHandler {
    let handler: WireHandler | undefined
    life.clock.deliver(() => {
      handler = life.broker?.accept(wire)
    })
    return {
      handleBytes: (chunk) => life.clock.deliver(() => handler?.handleBytes(chunk)),
      handleProgress: () => life.clock.deliver(() => handler?.handleProgress()),
      handleClosed: () => life.clock.deliver(() => handler?.handleClosed()),
    }
  }

  #newDisk(): void {
    if (this.disks > 0) this.#ghosts.push(this.#syncedOffset)
    this.disk = new SimDisk(new SeededRandom(this.#world.random.below(0x7fff_ffff)))
    this.disks++
    this.storeId = ''
    this.#syncedOffset = 0
  }

  #die(): void {
    const life = this.#life
    this.#life = undefined
    if (life?.log !== undefined) this.#syncedOffset = life.log.syncedOffset
    life?.end()
    this.#world.network.listen(this.id, undefined)
    this.#world.network.cutAll(this.id)
    this.disk.locks.clear()
    this.disk.faults.syncsUntilError = undefined
  }

  #startLater(delayMs: number): void {
    const starts = this.#starts
    this.#world.clock.schedule(delayMs, () => {
      if (this.#life === undefined && this.#starts === starts) this.start()
    })
  }

  /** A process ends with its broker. Only a disk that reports errors is a reason to fail. */
  #fail(life: BrokerLife, error: unknown): void {
    if (this.#life !== life) return
    this.#world.trace.add(this.id, `failed: ${String(error)}`)
    const code = error instanceof GomqError ? error.code : undefined
    const isDisk = code === 'STORAGE_FAILED' || /EIO/.test(String(error))
    if (error instanceof InvariantError || !isDisk)
      this.#world.report('the broker goes on', `${this.id}: ${error instanceof Error ? error.stack : String(error)}`)
    this.#world.clock.schedule(0, () => {
      if (this.#life !== life) return
      this.#die()
      this.#startLater(150)
    })
  }
}
