import type { Broker } from '@gomq/broker'
import type { Clock } from '@gomq/cluster'
import { MemoryNetwork, SimCoordinator } from '@gomq/cluster/testing'
import { SeededRandom } from '@gomq/protocol/testing'
import type { Fault } from '../fault-schedule.js'
import type { Site } from '../site.js'
import type { World } from '../world.js'
import { clusterFaults } from './cluster-faults.js'
import { ClusterMachine } from './cluster-machine.js'
import type { ClusterPorts } from './cluster-ports.js'
import type { Vulnerable } from './vulnerable.js'
import type { Copy } from './witness.js'

/** Where the brokers of a cluster are found. */
export function clusterAddresses(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `b${i + 1}`)
}

/** The machines of a cluster, what connects them, and the coordinator. */
export class Cluster implements Site, Vulnerable {
  readonly faults: readonly Fault[]
  readonly faultIntervalMs = 900
  readonly startMs = 20_000
  readonly network: MemoryNetwork
  readonly coordinator: SimCoordinator
  readonly machines: readonly ClusterMachine[]
  /** The coordinator's clock stands still: leases last longer than they were granted for. */
  isLeaseClockStopped = false
  readonly #world: World
  /** Used again at each event. */
  readonly #copies: Copy[] = []
  #leaseClockLostMs = 0
  #leaseClockStoppedMs = 0

  /** @param seed  for the network and the coordinator, which have chances of their own */
  constructor(world: World, seed: number) {
    this.#world = world
    const clock = (nowMs: () => number): Clock => ({
      monotonicMs: nowMs,
      schedule: (delayMs, run) => world.clock.schedule(delayMs, run),
    })
    this.network = new MemoryNetwork(
      clock(() => world.clock.nowMs()),
      new SeededRandom(seed + 2_000_003),
    )
    this.coordinator = new SimCoordinator(
      clock(() => this.#leaseClockMs()),
      new SeededRandom(seed + 3_000_017),
    )
    const { network, coordinator } = this
    const machines: ClusterMachine[] = []
    const ports: ClusterPorts = {
      network,
      coordinator,
      count: world.addresses.length,
      replicas: () => machines.map(({ id, storeId }) => ({ id, storeId })),
    }
    for (const id of world.addresses) machines.push(new ClusterMachine(world, ports, id))
    this.machines = machines
    this.faults = clusterFaults(this)
  }

  get serving(): Broker | undefined {
    return this.leader?.broker
  }

  /** The machine whose broker serves; of several that believe so, the one of the newest epoch. */
  get leader(): ClusterMachine | undefined {
    let newest: ClusterMachine | undefined
    let epoch = -1
    for (const machine of this.machines) {
      const { broker } = machine
      if (broker?.state !== 'serving' || broker.cluster.epoch <= epoch) continue
      newest = machine
      epoch = broker.cluster.epoch
    }
    return newest
  }

  /** All are in sync, and have committed nearly the same. */
  get isWell(): boolean {
    const members = this.coordinator.store.view().inSync?.members ?? []
    const highWatermark = this.serving?.highWatermark ?? Number.POSITIVE_INFINITY
    return (
      members.length === this.machines.length &&
      this.machines.every(({ broker }) => broker !== undefined && broker.highWatermark >= highWatermark - 50)
    )
  }

  mayWipe(machine: ClusterMachine): boolean {
    const members = this.coordinator.store.view().inSync?.members ?? []
    const isWhole = ({ id, disks, storeId }: ClusterMachine) =>
      disks === 1 || members.some((member) => member.id === id && member.storeId === storeId)
    const lost = this.machines.filter((other) => other !== machine && !isWhole(other)).length
    return members.length > 0 && isWhole(machine) && lost < Math.floor((this.machines.length - 1) / 2)
  }

  stopLeaseClock(durationMs: number): boolean {
    if (this.isLeaseClockStopped) return false
    this.#leaseClockStoppedMs = this.#leaseClockMs()
    this.isLeaseClockStopped = true
    this.#world.clock.schedule(durationMs, () => this.#resumeLeaseClock())
    return true
  }

  heal(): void {
    this.network.healAll()
    this.network.delayMsMax = 3
    this.network.lossRate = 0
    this.#world.faults.add('messages lost', this.network.lost)
    this.#resumeLeaseClock()
    for (const machine of this.machines) {
      machine.heal()
      const faults = machine.life?.client.faults
      if (faults !== undefined)
        Object.assign(faults, { isUnreachable: false, lostReplies: 0, lostRequests: 0, lateRequests: 0, delayMsMax: 5 })
    }
  }

  changeHands(): void {
    const { leader } = this
    if (this.#world.random.chance(0.5)) leader?.stop()
    else leader?.crash(1_000)
  }

  inspect(): void {
    this.#copies.length = 0
    for (const machine of this.machines) machine.addCopies(this.#copies)
    this.#world.witness!.inspect(this.#copies)
  }

  async verify(): Promise<void> {
    for (const { life } of this.machines) await life?.compareAll()
  }

  #leaseClockMs(): number {
    return this.isLeaseClockStopped ? this.#leaseClockStoppedMs : this.#world.clock.nowMs() - this.#leaseClockLostMs
  }

  #resumeLeaseClock(): void {
    if (!this.isLeaseClockStopped) return
    this.isLeaseClockStopped = false
    this.#leaseClockLostMs = this.#world.clock.nowMs() - this.#leaseClockStoppedMs
  }
}
