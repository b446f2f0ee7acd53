import {
  MemoryNetwork,
  type MemoryTransport,
  SimCoordinator,
  type SimCoordinatorClient,
  VirtualClock,
} from '@gomq/cluster/testing'
import type { Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { type Disk, Node } from '../support/node.js'
import { ProcessClock } from '../support/process-clock.js'
import { messageOf } from '../support/test-batch.js'
import { Checker, type Copy } from './checker.js'
import type { Plant } from './plants.js'

/** One broker of the world: its disk, and its process while it runs. */
export interface Place {
  readonly id: string
  disk: Disk
  node: Node | undefined
  client: SimCoordinatorClient | undefined
  transport: MemoryTransport | undefined
  clock: ProcessClock | undefined
  /** Stores that this broker has had. */
  stores: number
}

/** How a run ended. */
export interface Outcome {
  readonly failure: string | undefined
  readonly steps: number
  readonly acked: number
  readonly faults: number
  readonly reigns: number
  /** How often each fault came. */
  readonly counts: Readonly<Record<string, number>>
}

const FAULTS_MS = 60_000
const HEALING_MS = 60_000
const PUBLISH_MS_MAX = 120

/** A cluster in virtual time that suffers, is healed, and must then go on. Everything follows from the seed. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly random: SeededRandom
  readonly coordinator: SimCoordinator
  readonly network: MemoryNetwork
  readonly places: Place[]
  readonly replicas: number
  readonly plant: Plant
  readonly ghosts: Copy[] = []
  /** How often each fault came. */
  readonly counts: { [fault: string]: number } = {}
  readonly checker: Checker
  #messages = 0
  #failure: string | undefined

  constructor(seed: number, replicas: number, plant: Plant = {}) {
    this.random = new SeededRandom(seed)
    this.replicas = replicas
    this.plant = plant
    this.coordinator = new SimCoordinator(this.clock, this.random)
    this.network = new MemoryNetwork(this.clock, this.random)
    this.places = Array.from({ length: replicas }, (_, i) => {
      const id = `b${i + 1}`
      const disk: Disk = { log: { storeId: `${id}-1` }, record: undefined, snapshot: undefined }
      return { id, disk, node: undefined, client: undefined, transport: undefined, clock: undefined, stores: 1 }
    })
    this.checker = new Checker(Math.floor(replicas / 2) + 1, () => this.#copies())
  }

  /** Plays it all. */
  async run(applyFault: (world: World) => void): Promise<Outcome> {
    const restore = this.plant.patch?.()
    try {
      return await this.#play(applyFault)
    } finally {
      restore?.()
    }
  }

  async #play(applyFault: (world: World) => void): Promise<Outcome> {
    for (const place of this.places) this.start(place)
    this.#publishSoon()
    await this.#runTo(5000)
    while (this.#failure === undefined && this.clock.monotonicMs() < FAULTS_MS) {
      this.#guard(() => applyFault(this))
      await this.#runTo(this.clock.monotonicMs() + this.random.below(2500))
    }
    this.#heal()
    await this.#runTo(FAULTS_MS + HEALING_MS)
    if (this.#failure === undefined) this.#guard(() => this.#checkProgress())
    const faults = Object.values(this.counts).reduce((sum, count) => sum + count, 0)
    const { ackedCount, reigns } = this.checker
    return { failure: this.#failure, steps: this.clock.events, acked: ackedCount, faults, reigns, counts: this.counts }
  }

  /** The process of a broker starts. */
  start(place: Place): void {
    const clock = new ProcessClock(this.clock)
    const client = this.coordinator.client(clock)
    const transport = this.network.transport(place.id, clock)
    this.network.setDown(place.id, false)
    const { plant } = this
    const node: Node = new Node({
      id: place.id,
      replicas: this.replicas,
      clock,
      random: this.random,
      coordinator: plant.coordinator?.(client, this) ?? client,
      transport: plant.transport?.(transport, () => node, this) ?? transport,
      disk: place.disk,
      ...(plant.log !== undefined && { wrapLog: plant.log }),
      events: {
        handleLeading: (self, epoch) => this.#guard(() => this.checker.handleLeading(self, epoch)),
        handleCommitted: (self, offset) => this.#guard(() => this.checker.handleCommitted(self, offset)),
        handleFailure: (self, error) => this.fail(`${self.id} stops: ${error.stack}`),
      },
    })
    plant.node?.(node)
    Object.assign(place, { node, client, transport, clock })
    node.replication.start()
  }

  /** The process of a broker ends at once; what was synced stays. @param isHostDown  the host goes too: nothing answers there */
  crash(place: Place, isHostDown: boolean): void {
    if (place.node === undefined) return
    place.disk = place.node.crash(this.random)
    this.checker.forget(place.node)
    place.transport!.crash()
    place.client!.crash()
    this.network.setDown(place.id, isHostDown)
    place.node = undefined
  }

  /** The disk of a broker that is down is replaced by an empty one. */
  wipe(place: Place): void {
    const { disk } = place
    this.ghosts.push(copyOf(disk, `${place.id} as it was`))
    place.stores++
    const storeId = this.plant.keepsStoreId ? `${place.id}-1` : `${place.id}-${place.stores}`
    place.disk = { log: { storeId }, record: undefined, snapshot: undefined }
  }

  /** Something that must not be. */
  fail(reason: string): void {
    this.#failure ??= `${reason} (at ${Math.round(this.clock.monotonicMs())} ms)`
  }

  #guard(check: () => void): void {
    if (this.#failure !== undefined) return
    try {
      check()
    } catch (error) {
      this.fail(String(error instanceof Error ? error.message : error))
    }
  }

  async #runTo(untilMs: number): Promise<void> {
    while (this.#failure === undefined && this.clock.monotonicMs() < untilMs)
      await this.clock.runTo(Math.min(untilMs, this.clock.monotonicMs() + 250))
  }

  #publishSoon(): void {
    this.clock.schedule(this.random.below(PUBLISH_MS_MAX), () => {
      this.#publishSoon()
      for (const { node, clock } of this.places) {
        if (node === undefined || clock!.isPaused || !node.isServing || node.isResigning) continue
        node.append(++this.#messages, 1 + this.random.below(3))
      }
    })
  }

  #heal(): void {
    this.network.healAll()
    this.network.delayMsMax = 3
    for (const place of this.places) {
      if (place.client !== undefined)
        Object.assign(place.client.faults, {
          isUnreachable: false,
          lostReplies: 0,
          lostRequests: 0,
          lateRequests: 0,
          delayMsMax: 5,
        })
      if (place.clock?.isPaused) place.clock.resume()
      if (place.node === undefined) this.start(place)
      place.node!.syncMsMax = 8
    }
  }

  /** After the healing all are in sync again, and what is published commits everywhere. */
  #checkProgress(): void {
    const leaders = this.places.filter(({ node }) => node?.replication.role === 'leader')
    if (leaders.length !== 1) throw new Error(`no progress: ${leaders.length} leaders`)
    const leader = leaders[0]!.node!
    if (leader.log.highWatermark < leader.log.logEndOffset - 50)
      throw new Error(`no progress: ${leader.log.highWatermark} of ${leader.log.logEndOffset} have committed`)
    const inSync = this.coordinator.store.view().inSync!.members.length
    if (inSync !== this.replicas) throw new Error(`no progress: ${inSync} of ${this.replicas} are in sync`)
    for (const { node } of this.places)
      if (node!.log.highWatermark < leader.log.highWatermark - 50)
        throw new Error(`no progress: ${node!.id} has ${node!.log.highWatermark} of ${leader.log.highWatermark}`)
  }

  #copies(): readonly Copy[] {
    return [
      ...this.places.map(({ id, node, disk }) => (node === undefined ? copyOf(disk, id) : liveCopyOf(node))),
      ...this.ghosts,
    ]
  }
}

function liveCopyOf(node: Node): Copy {
  return {
    name: node.id,
    has: (offset, message) => {
      if (offset >= node.log.syncedOffset) return false
      return (
        node.log.logStartOffset > offset ||
        hasBatch(node.log.batchesFrom(offset), offset, message, node.log.snapshotNeededFrom)
      )
    },
  }
}

function copyOf(disk: Disk, name: string): Copy {
  return {
    name,
    has: (offset, message) => {
      if (!('entries' in disk.log)) return false
      const batches = disk.log.entries.flatMap((entry) => entry.batches)
      return disk.log.logStartOffset > offset || hasBatch(batches, offset, message, disk.log.snapshotNeededFrom)
    },
  }
}

function hasBatch(batches: Iterable<Uint8Array>, offset: Offset, message: number, cleanedTo: Offset): boolean {
  if (offset < cleanedTo) return true
  for (const batch of batches) if (messageOf(batch) === message) return true
  return false
}
