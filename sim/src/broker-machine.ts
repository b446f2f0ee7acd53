import { Broker, type Scheduler } from '@gomq/broker'
import { GomqError, InvariantError } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { SimDisk } from '@gomq/storage/testing'
import { brokerParts } from './broker-parts.js'
import { CLIENT_FAULTS, done, type Fault } from './fault-schedule.js'
import { type DiskPace, FaultyFileSystem } from './faulty-file-system.js'
import type { Site } from './site.js'
import type { World } from './world.js'

const RESTART_MS = 150

/** The only address. */
export const SOLO_ADDRESS = 'broker'

/** One life of the broker's process: its timers and files die with it. */
class Process {
  isAlive = true
  readonly fs: FaultyFileSystem
  readonly scheduler: Scheduler

  constructor(world: World, disk: SimDisk, pace: DiskPace) {
    this.fs = new FaultyFileSystem(disk.mount(), world.clock, world.random, pace)
    this.scheduler = {
      nowMs: () => world.clock.nowMs(),
      // To the whole millisecond, as what is stamped with the time holds no fractions.
      schedule: (delayMs, run) => world.clock.schedule(Math.round(delayMs), () => this.isAlive && run()),
    }
  }
}

/** The machine with the disk on which the broker's process runs, dies and is started again. */
export class BrokerMachine implements Site {
  readonly faults: readonly Fault[] = faultsOf(this)
  readonly faultIntervalMs = 400
  readonly startMs = 1_000
  readonly isWell = true
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
    this.#world.faults.add('unsynced writes lost', this.disk.crash())
    this.#startLater()
  }

  /** The process is killed; the system and its cache live on. */
  kill(): void {
    this.#world.trace.add('broker', 'process is killed')
    this.#die()
    this.#startLater()
  }

  /** The process stops in order and is started again. @returns whether there is one that could */
  stop(): boolean {
    const broker = this.serving
    const process = this.#process
    if (broker === undefined) return false
    this.#isStopping = true
    this.#world.trace.add('broker', 'stops')
    this.#world.network.listen(SOLO_ADDRESS, undefined)
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
    return true
  }

  heal(): void {
    this.disk.faults.bytesMax = undefined
    this.disk.faults.syncsUntilError = undefined
    this.pace.syncMsMax = 5
  }

  changeHands(): void {
    // There is nobody else.
  }

  inspect(): void {
    // All that one broker alone promises is in what clients see.
  }

  async verify(): Promise<void> {
    // Clients have seen everything.
  }

  #die(): void {
    if (this.#process !== undefined) {
      this.#process.isAlive = false
      this.#process.fs.kill()
    }
    this.#process = undefined
    this.#broker = undefined
    this.#world.network.listen(SOLO_ADDRESS, undefined)
    this.#world.network.cutAll(SOLO_ADDRESS)
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
      ...brokerParts(world, 'broker', process.fs, process.scheduler),
      brokerId: 'sim',
      onFailure: (error) => this.#fail(process, error),
    }).then(
      (broker) => {
        if (this.#process !== process) return
        this.#broker = broker
        world.trace.add('broker', `serves from offset ${broker.highWatermark}`)
        world.network.listen(SOLO_ADDRESS, (wire) => broker.accept(wire))
      },
      (error: unknown) => this.#fail(process, error),
    )
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

function faultsOf(machine: BrokerMachine): readonly Fault[] {
  return [
    { name: 'crash', weight: 2, strike: () => done(machine.crash()) },
    { name: 'kill', weight: 2, strike: () => done(machine.kill()) },
    { name: 'stop', weight: 2, strike: () => machine.stop() },
    ...CLIENT_FAULTS,
    {
      name: 'slow-disk',
      weight: 3,
      strike: ({ random, clock }) => {
        machine.pace.syncMsMax = 50 + random.below(300)
        clock.schedule(1_000, () => (machine.pace.syncMsMax = 5))
        return true
      },
    },
    {
      name: 'sync-error',
      weight: 1,
      strike: (world) => done((machine.disk.faults.syncsUntilError = 1 + world.random.below(3))),
    },
    {
      name: 'disk-full',
      weight: 1,
      strike: ({ random, clock }) => {
        const { faults } = machine.disk
        faults.bytesMax = Number.MAX_SAFE_INTEGER
        // Little enough that the log itself runs out of room, or so much that the reserve is touched first.
        faults.bytesMax -= machine.disk.freeBytes() - random.below(random.chance(0.5) ? 2_000 : 60_000)
        clock.schedule(500 + random.below(4_000), () => (faults.bytesMax = undefined))
        return true
      },
    },
  ]
}
