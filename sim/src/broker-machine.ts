import { Broker, type Scheduler, silentLog } from '@gomq/broker'
import { GomqError, InvariantError } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { createCleaner } from '@gomq/storage'
import { SimDisk } from '@gomq/storage/testing'
import { type DiskPace, FaultyFileSystem } from './faulty-file-system.js'
import { plantedCleaner } from './plant.js'
import type { World } from './world.js'

const RESTART_MS = 150

/** One life of the broker's process: its timers and files die with it. */
class Process {
  isAlive = true
  readonly fs: FaultyFileSystem
  readonly scheduler: Scheduler

  constructor(world: World, disk: SimDisk, pace: DiskPace) {
    this.fs = new FaultyFileSystem(disk.mount(), world.clock, world.random, pace)
    this.scheduler = {
      nowMs: () => world.clock.nowMs(),
      schedule: (delayMs, run) => world.clock.schedule(delayMs, () => this.isAlive && run()),
    }
  }
}

/** The machine with the disk on which the broker's process runs, dies and is started again. */
export class BrokerMachine {
  readonly disk: SimDisk
  readonly pace: DiskPace
  readonly #world: World
  #process: Process | undefined
  #broker: Broker | undefined
  #isStarting = false
  #isStopping = false

  constructor(world: World) {
    this.#world = world
    this.disk = new SimDisk(new SeededRandom(world.random.below(0x7fff_ffff)))
    this.pace = { syncMsMax: 5, ignoresSyncs: world.plant === 'unsynced-acks' }
    this.#start()
  }

  /** The broker, while it serves. */
  get serving(): Broker | undefined {
    return this.#broker?.state === 'serving' ? this.#broker : undefined
  }

  /** The power fails: what was not synced may be lost. The broker comes back soon. */
  crash(): void {
    this.#world.trace.add('broker', 'power fails')
    this.#die()
    this.disk.crash()
    this.#startLater()
  }

  /** The process is killed; the system and its cache live on. */
  kill(): void {
    this.#world.trace.add('broker', 'process is killed')
    this.#die()
    this.#startLater()
  }

  /** The process stops in order and is started again. */
  stop(): void {
    const broker = this.serving
    const process = this.#process
    if (broker === undefined) return
    this.#isStopping = true
    this.#world.trace.add('broker', 'stops')
    this.#world.network.listener = undefined
    const finish = (how: string) => {
      if (this.#process !== process) return
      this.#world.trace.add('broker', how)
      this.#die()
      this.#startLater()
    }
    broker.shutdown().then(
      () => finish('stopped'),
      (error: unknown) => finish(`stop failed: ${String(error)}`),
    )
    // A supervisor kills what does not stop.
    this.#world.clock.schedule(5_000, () => finish('is killed, since it does not stop'))
  }

  #die(): void {
    if (this.#process !== undefined) {
      this.#process.isAlive = false
      this.#process.fs.kill()
    }
    this.#process = undefined
    this.#broker = undefined
    this.#world.network.listener = undefined
    this.#world.network.cutAll()
    // The system takes the locks of dead processes back.
    this.disk.locks.clear()
    // What reported an error is told so once; the next start finds a device that works again.
    this.disk.faults.syncsUntilError = undefined
  }

  #startLater(): void {
    if (this.#isStarting) return
    this.#isStarting = true
    this.#world.clock.schedule(RESTART_MS, () => {
      this.#isStarting = false
      this.#start()
    })
  }

  #start(): void {
    const { world } = { world: this.#world }
    const process = new Process(world, this.disk, this.pace)
    this.#process = process
    this.#isStopping = false
    Broker.open({
      fs: process.fs,
      directory: 'data',
      crc32: world.crc32,
      scheduler: process.scheduler,
      random: world.random,
      log: { ...silentLog, info: (fields, message) => this.#note(fields, message) },
      brokerId: 'sim',
      brokerVersion: '0.0.0',
      messageBytesMax: 64 * 1024,
      retainedTopicsMax: 100_000,
      segmentBytes: 16 * 1024,
      tailCacheBytes: 4 * 1024,
      snapshotIntervalBytes: 8 * 1024,
      cleaner: plantedCleaner(
        world.plant,
        createCleaner({ fs: process.fs, crc32: world.crc32, segmentBytes: 16 * 1024 }),
      ),
      cleanIntervalMs: 300,
      unsyncedBytesMax: 4 * 1024,
      onFailure: (error) => this.#fail(process, error),
    }).then(
      (broker) => {
        if (this.#process !== process) return
        this.#broker = broker
        world.trace.add('broker', `serves from offset ${broker.highWatermark}`)
        world.network.listener = (wire) => broker.accept(wire)
      },
      (error: unknown) => this.#fail(process, error),
    )
  }

  /** What the broker logs about cleaning belongs to the story of a run. */
  #note(fields: object, message: string): void {
    if (message !== 'the log was cleaned') return
    this.#world.history.cleanings++
    this.#world.trace.add('broker', `${message} ${JSON.stringify(fields)}`)
  }

  /**
   * A broker that failed, or could not start, ends its process. A damaged log or a bug is none of the faults' doing, and a full disk is no reason to
   * fail, but for one that is starting or stopping.
   */
  #fail(process: Process, error: unknown): void {
    if (this.#process !== process) return
    this.#world.trace.add('broker', `failed: ${String(error)}`)
    const code = error instanceof GomqError ? error.code : undefined
    const isStorage =
      code === 'STORAGE_FAILED' || (code === 'DISK_FULL' && (this.#isStopping || this.#broker === undefined))
    const isSystem = code === undefined && /EIO/.test(String(error))
    if (error instanceof InvariantError || (!isStorage && !isSystem))
      this.#world.report('the broker goes on', error instanceof Error ? (error.stack ?? error.message) : String(error))
    this.#world.clock.schedule(0, () => {
      if (this.#process !== process) return
      this.#die()
      this.#startLater()
    })
  }
}
