import { CLIENT_FAULTS, done, type Fault } from '../fault-schedule.js'
import type { World } from '../world.js'
import type { ClusterMachine } from './cluster-machine.js'
import { ELECTION_FAULTS } from './election-faults.js'
import { cut, cutCoordinator } from './outages.js'
import type { Vulnerable } from './vulnerable.js'

type Strike = (world: World, cluster: Vulnerable, machine: ClusterMachine) => boolean

/** What the trace says when a leader's power fails while a member has more on its disk. */
const BEHIND = 'is behind a member'

/** What strikes any machine, or, half of the time, the one that leads. */
const MACHINE_FAULTS: readonly { readonly name: string; readonly weight: number; readonly strike: Strike }[] = [
  { name: 'crash', weight: 4, strike: (world, _, machine) => done(machine.crash(restartMs(world))) },
  {
    name: 'crash behind writes',
    weight: 4,
    // Syncs are quick: without that few power failures would find anything that a disk could lose.
    strike: (world, _, machine) => {
      const { pace } = machine
      pace.syncMsMax = 3_000
      world.clock.schedule(100 + world.random.below(600), () => {
        pace.syncMsMax = 5
        if (world.isFaulty) machine.crash(restartMs(world))
      })
      return true
    },
  },
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
      const others = cluster.machines.filter((other) => other !== machine && world.random.chance(0.7))
      for (const other of others) {
        cut(world, cluster.network, machine.id, other.id, durationMs(world))
        cut(world, cluster.network, other.id, machine.id, durationMs(world))
      }
      return others.length > 0
    },
  },
  {
    name: 'one-way partition',
    weight: 4,
    strike: (world, cluster, machine) => {
      const other = world.random.pick(cluster.machines)
      if (other === machine) return false
      const [from, to] = world.random.chance(0.5) ? [machine, other] : [other, machine]
      return done(cut(world, cluster.network, from.id, to.id, durationMs(world)))
    },
  },
  {
    name: 'coordinator cut',
    weight: 4,
    strike: (world, _, machine) => cutCoordinator(world, machine, durationMs(world)),
  },
  {
    name: 'bad coordinator',
    weight: 4,
    strike: (world, _, machine) => {
      const faults = machine.life?.client.faults
      if (faults === undefined) return false
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
      return true
    },
  },
  {
    name: 'wipe',
    weight: 3,
    strike: (world, cluster, machine) => cluster.mayWipe(machine) && done(machine.crash(restartMs(world), true)),
  },
  {
    name: 'slow disk',
    weight: 3,
    strike: (world, _, { pace }) => {
      pace.syncMsMax = world.random.pick([100, 1_000, 5_000])
      world.clock.schedule(durationMs(world), () => (pace.syncMsMax = 5))
      return true
    },
  },
  {
    name: 'sync error',
    weight: 2,
    strike: (world, _, { disk }) => done((disk.faults.syncsUntilError = 1 + world.random.below(3))),
  },
  {
    name: 'clock jump',
    weight: 2,
    // A process takes the calendar up when it starts. Policies count by it.
    strike: (world, _, machine) => {
      if (world.isGoverned) return false
      machine.wallOffsetMs = (world.random.next() - 0.5) * 7_200_000
      return machine.kill(restartMs(world))
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
      return strike(world, cluster, isLeader && leader !== undefined ? leader : world.random.pick(machines))
    },
  }))
  return [
    ...faults,
    ...ELECTION_FAULTS.map(({ name, weight, strike }) => ({
      name,
      weight,
      strike: (world: World) => strike(world, cluster),
    })),
    ...CLIENT_FAULTS.map((fault) => ({ ...fault, weight: fault.weight / 2 })),
    {
      name: 'power fails behind a member',
      weight: 4,
      strike: (world) => cluster.leader !== undefined && done(crashBehind(world, cluster.leader, cluster.machines)),
    },
    {
      name: 'all crash',
      weight: 1,
      strike: (world) => done(cluster.machines.forEach((machine) => void machine.crash(restartMs(world)))),
    },
    {
      name: 'coordinator down',
      weight: 1,
      strike: (world) =>
        cluster.machines.filter((machine) => cutCoordinator(world, machine, durationMs(world))).length > 0,
    },
    {
      name: 'lease revoked early',
      weight: 3,
      strike: () => {
        const { store } = cluster.coordinator
        const { leader } = store.view()
        return leader !== undefined && store.removeLeader(leader.createRevision)
      },
    },
    { name: 'leases revoked late', weight: 2, strike: (world) => cluster.stopLeaseClock(durationMs(world)) },
    {
      name: 'slow network',
      weight: 2,
      strike: ({ random, clock }) => {
        cluster.network.delayMsMax = random.pick([50, 300])
        clock.schedule(random.below(4_000), () => (cluster.network.delayMsMax = 3))
        return true
      },
    },
    {
      name: 'lossy network',
      weight: 2,
      strike: ({ random, clock }) => {
        cluster.network.lossRate = random.pick([0.01, 0.1, 0.4])
        clock.schedule(random.below(4_000), () => (cluster.network.lossRate = 0))
        return true
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

function restartMs({ random }: World): number {
  return random.below(random.pick([200, 2_000, 10_000]))
}

function durationMs({ random }: World): number {
  return random.below(random.pick([500, 4_000, 10_000]))
}
