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
import type { LogMarks } from './committed-epochs.js'
import type { Copy } from './witness.js'

/** Longer than a handover and a leave may take. */
const STOP_MS_MAX = 20_000

const NOTHING: LogMarks = { logStartOffset: 0, highWatermark: 0, syncedOffset: 0, logEndOffset: 0, epochStarts: [] }

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
  /** What disks that are gone held. */
  readonly #lost: Copy[] = []
  /** What the disk holds while no broker has opened its log. */
  #left: Copy
  readonly #world: World
  readonly #ports: ClusterPorts
  #life: BrokerLife | undefined
  #starts = 0

  constructor(world: World, ports: ClusterPorts, id: string) {
    this.#world = world
    this.#ports = ports
    this.id = id
    this.pace = { syncMsMax: 5, ignoresSyncs: world.plant === 'unsynced-acks' }
    this.#left = this.#nothing()
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

  /** Adds all disks that it has had, as they are now or were at the end. */
  addCopies(copies: Copy[]): void {
    copies.push(this.#life?.copy ?? this.#left, ...this.#lost)
  }

  /** The power fails, and nothing answers there until the machine is back. @param isWiped  whether it comes back with an empty disk */
  crash(restartMs: number, isWiped = false): void {
    this.#world.trace.add(this.id, isWiped ? 'power fails, and the disk is lost' : 'power fails')
    this.#die()
    this.#world.faults.add('unsynced writes lost', this.disk.crash())
    this.#ports.network.setDown(this.id, true)
    if (isWiped) this.#newDisk()
    this.#startLater(restartMs)
  }

  /** The process is killed; the system and its cache live on. @returns whether there is one */
  kill(restartMs: number): boolean {
    if (this.#life === undefined) return false
    this.#world.trace.add(this.id, 'process is killed')
    this.#die()
    this.#startLater(restartMs)
    return true
  }

  /** The process stops in order and is started again. @returns whether there is one that can */
  stop(): boolean {
    const life = this.#life
    if (life?.broker === undefined || life.isStopping || life.clock.isPaused) return false
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
    return true
  }

  /** The process stands still for a while. @returns whether there is one that can */
  pause(durationMs: number, stopsTime: boolean): boolean {
    const life = this.#life
    if (life === undefined || life.clock.isPaused) return false
    this.#world.trace.add(this.id, `stands still for ${durationMs} ms${stopsTime ? ', and so does its clock' : ''}`)
    life.clock.pause(stopsTime)
    this.#world.clock.schedule(durationMs, () => life.clock.resume())
    return true
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
    if (this.disks > 0) this.#lost.push(this.#left)
    this.disk = new SimDisk(new SeededRandom(this.#world.random.below(0x7fff_ffff)))
    this.disks++
    this.storeId = ''
    this.#left = this.#nothing()
  }

  #nothing(): Copy {
    return { name: this.id, marks: NOTHING }
  }

  #die(): void {
    const life = this.#life
    this.#life = undefined
    if (life?.copy !== undefined) this.#left = { name: this.id, marks: marksOf(life.copy.marks) }
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

/** As they are now. What was not synced may be gone. */
function marksOf({ logStartOffset, highWatermark, syncedOffset, epochStarts }: LogMarks): LogMarks {
  return { logStartOffset, highWatermark, syncedOffset, logEndOffset: syncedOffset, epochStarts: [...epochStarts] }
}
