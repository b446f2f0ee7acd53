import type { MemoryNetwork, SimCoordinator } from '@gomq/cluster/testing'
import { CLIENT_FAULTS, type Fault } from '../fault-schedule.js'
import type { World } from '../world.js'
import type { ClusterMachine } from './cluster-machine.js'

/** What the trace says when a leader's power fails while a member has more on its disk. */
const BEHIND = 'is behind a member'

/** What faults of a cluster strike. */
export interface Vulnerable {
  readonly machines: readonly ClusterMachine[]
  /** The machine whose broker serves, if one does. */
  readonly leader: ClusterMachine | undefined
  readonly network: MemoryNetwork
  readonly coordinator: SimCoordinator
  /** Whether a disk may be lost now: at most f are at once, each until its machine is in sync again with another. */
  mayWipe(machine: ClusterMachine): boolean
  /** Lets the coordinator keep leases for longer. */
  stopLeaseClock(durationMs: number): void
}

type Strike = (world: World, cluster: Vulnerable, machine: ClusterMachine) => void

/** What strikes any machine, or, half of the time, the one that leads. */
const MACHINE_FAULTS: readonly { readonly name: string; readonly weight: number; readonly strike: Strike }[] = [
  { name: 'crash', weight: 4, strike: (world, _, machine) => machine.crash(restartMs(world)) },
  { name: 'kill', weight: 4, strike: (world, _, machine) => machine.kill(restartMs(world)) },
  { name: 'stop', weight: 3, strike: (_world, _, machine) => machine.stop() },
  {
    name: 'pause',
    weight: 5,
    strike: (world, _, machine) => machine.pause(durationMs(world), world.random.chance(0.2)),
  },
  {
    name: 'partition',
    weight: 4,
    strike: (world, cluster, machine) => {
      for (const other of cluster.machines) {
        if (other === machine || !world.random.chance(0.7)) continue
        cut(world, cluster, machine.id, other.id)
        cut(world, cluster, other.id, machine.id)
      }
    },
  },
  {
    name: 'one-way partition',
    weight: 4,
    strike: (world, cluster, machine) => {
      const other = world.random.pick(cluster.machines)
      if (other === machine) return
      if (world.random.chance(0.5)) cut(world, cluster, machine.id, other.id)
      else cut(world, cluster, other.id, machine.id)
    },
  },
  { name: 'coordinator cut', weight: 4, strike: (world, _, machine) => cutCoordinator(world, machine) },
  {
    name: 'bad coordinator',
    weight: 4,
    strike: (world, _, machine) => {
      const faults = machine.life?.client.faults
      if (faults === undefined) return
      const { random } = world
      Object.assign(faults, {
        lostReplies: random.pick([0, 0.2, 0.6]),
        lostRequests: random.pick([0, 0.1]),
        lateRequests: random.pick([0, 0.3, 0.6]),
        delayMsMax: random.pick([5, 200, 900]),
      })
      world.clock.schedule(2 * durationMs(world), () =>
        Object.assign(faults, { lostReplies: 0, lostRequests: 0, lateRequests: 0, delayMsMax: 5 }),
      )
    },
  },
  {
    name: 'wipe',
    weight: 3,
    strike: (world, cluster, machine) => {
      if (cluster.mayWipe(machine)) machine.crash(restartMs(world), true)
    },
  },
  {
    name: 'slow disk',
    weight: 3,
    strike: (world, _, { pace }) => {
      pace.syncMsMax = world.random.pick([100, 1_000, 5_000])
      world.clock.schedule(durationMs(world), () => (pace.syncMsMax = 5))
    },
  },
  {
    name: 'sync error',
    weight: 2,
    strike: (world, _, { disk }) => void (disk.faults.syncsUntilError = 1 + world.random.below(3)),
  },
  {
    name: 'clock jump',
    weight: 1,
    // Policies count by the calendar.
    strike: (world, _, machine) => {
      if (!world.isGoverned) machine.wallOffsetMs = (world.random.next() - 0.5) * 7_200_000
    },
  },
]

/** What may strike a cluster. */
export function clusterFaults(cluster: Vulnerable): readonly Fault[] {
  const faults = MACHINE_FAULTS.map(({ name, weight, strike }) => ({
    name,
    weight,
    strike: (world: World) => {
      const { leader, machines } = cluster
      const isLeader = world.random.chance(0.5)
      strike(world, cluster, isLeader && leader !== undefined ? leader : world.random.pick(machines))
    },
  }))
  return [
    ...faults,
    ...CLIENT_FAULTS.map((fault) => ({ ...fault, weight: fault.weight / 2 })),
    {
      name: 'power fails behind a member',
      weight: 4,
      strike: (world) => {
        if (cluster.leader !== undefined) crashBehind(world, cluster.leader, cluster.machines)
      },
    },
    {
      name: 'all crash',
      weight: 1,
      strike: (world) => cluster.machines.forEach((machine) => void machine.crash(restartMs(world))),
    },
    {
      name: 'coordinator down',
      weight: 1,
      strike: (world) => cluster.machines.forEach((machine) => void cutCoordinator(world, machine)),
    },
    {
      name: 'lease revoked early',
      weight: 3,
      strike: () => {
        const { store } = cluster.coordinator
        const { leader } = store.view()
        if (leader !== undefined) store.removeLeader(leader.createRevision)
      },
    },
    { name: 'leases revoked late', weight: 2, strike: (world) => cluster.stopLeaseClock(durationMs(world)) },
    {
      name: 'slow network',
      weight: 2,
      strike: ({ random, clock }) => {
        cluster.network.delayMsMax = random.pick([50, 300])
        clock.schedule(random.below(4_000), () => (cluster.network.delayMsMax = 3))
      },
    },
  ]
}

/** Between sending and syncing: the leader's power fails when a member has more on its disk than the leader. */
function crashBehind(world: World, leader: ClusterMachine, machines: readonly ClusterMachine[], tries = 400): void {
  leader.pace.syncMsMax = 300
  const { life } = leader
  const isBehind = machines.some((other) => (other.life?.log?.syncedOffset ?? 0) > (life?.log?.syncedOffset ?? 0))
  if (life?.isLeading && isBehind) {
    leader.pace.syncMsMax = 5
    world.trace.add(leader.id, BEHIND)
    leader.crash(restartMs(world))
  } else if (tries === 0 || !world.isFaulty) leader.pace.syncMsMax = 5
  else world.clock.schedule(3, () => crashBehind(world, leader, machines, tries - 1))
}

function cut(world: World, { network }: Vulnerable, from: string, to: string): void {
  network.cut(from, to)
  world.clock.schedule(durationMs(world), () => network.heal(from, to))
}

function cutCoordinator(world: World, machine: ClusterMachine): void {
  const faults = machine.life?.client.faults
  if (faults === undefined) return
  faults.isUnreachable = true
  world.clock.schedule(durationMs(world), () => (faults.isUnreachable = false))
}

function restartMs({ random }: World): number {
  return random.below(random.pick([200, 2_000, 10_000]))
}

function durationMs({ random }: World): number {
  return random.below(random.pick([500, 4_000, 10_000]))
}
