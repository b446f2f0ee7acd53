import type { BrokerMachine } from './broker-machine.js'
import type { Publisher } from './publisher.js'
import type { Subscriber } from './subscriber.js'
import type { World } from './world.js'

/** Whom faults may strike. */
export interface FaultTargets {
  readonly machine: BrokerMachine
  readonly publishers: readonly Publisher[]
  readonly subscribers: readonly Subscriber[]
}

/** A fault, its weight against the others, and what it does. */
interface Fault {
  readonly name: string
  readonly weight: number
  strike(world: World, targets: FaultTargets): void
}

const FAULTS: readonly Fault[] = [
  { name: 'crash', weight: 2, strike: (_, { machine }) => machine.crash() },
  { name: 'kill', weight: 2, strike: (_, { machine }) => machine.kill() },
  { name: 'stop', weight: 2, strike: (_, { machine }) => machine.stop() },
  { name: 'cut', weight: 6, strike: (world) => pickConnection(world)?.cut() },
  {
    name: 'half-open',
    weight: 3,
    strike: (world) => pickConnection(world)?.halfOpen(world.random.chance(0.5) ? 'client' : 'broker'),
  },
  {
    name: 'stall',
    weight: 5,
    strike: (world) =>
      pickConnection(world)?.stall(world.random.chance(0.5) ? 'toBroker' : 'toClient', 50 + world.random.below(4_000)),
  },
  { name: 'publisher-restart', weight: 2, strike: (world, { publishers }) => world.random.pick(publishers).restart() },
  {
    name: 'subscriber-restart',
    weight: 4,
    strike: (world, { subscribers }) => world.random.pick(subscribers).restart(),
  },
  { name: 'take-over', weight: 3, strike: (world, { subscribers }) => world.random.pick(subscribers).takeOver() },
  {
    name: 'slow-disk',
    weight: 3,
    strike: ({ random, clock }, { machine }) => {
      machine.pace.syncMsMax = 50 + random.below(300)
      clock.schedule(1_000, () => (machine.pace.syncMsMax = 5))
    },
  },
  {
    name: 'sync-error',
    weight: 1,
    strike: (world, { machine }) => void (machine.disk.faults.syncsUntilError = 1 + world.random.below(3)),
  },
  {
    name: 'disk-full',
    weight: 1,
    strike: ({ random, clock }, { machine }) => {
      const { faults } = machine.disk
      faults.bytesMax = Number.MAX_SAFE_INTEGER
      // Little enough that the log itself runs out of room, or so much that the reserve is touched first.
      faults.bytesMax -= machine.disk.freeBytes() - random.below(random.chance(0.5) ? 2_000 : 60_000)
      clock.schedule(500 + random.below(4_000), () => (faults.bytesMax = undefined))
    },
  },
]

/** Mean time between two faults. */
const FAULT_INTERVAL_MS = 400

/** Lets faults happen until the world is healed. */
export function scheduleFaults(world: World, targets: FaultTargets): void {
  world.clock.schedule(1 + world.random.below(2 * FAULT_INTERVAL_MS), () => {
    if (!world.isFaulty) return
    const fault = pickFault(world)
    world.trace.add('fault', fault.name)
    fault.strike(world, targets)
    scheduleFaults(world, targets)
  })
}

/** Ends faults that last. */
export function heal(world: World, { machine }: FaultTargets): void {
  world.isFaulty = false
  machine.disk.faults.bytesMax = undefined
  machine.disk.faults.syncsUntilError = undefined
  machine.pace.syncMsMax = 5
}

function pickFault(world: World): Fault {
  let at = world.random.below(FAULTS.reduce((sum, fault) => sum + fault.weight, 0))
  for (const fault of FAULTS) if ((at -= fault.weight) < 0) return fault
  return FAULTS[0]!
}

function pickConnection(world: World): ReturnType<typeof firstOf> {
  return firstOf(world)
}

function firstOf({ network, random }: World) {
  const { connections } = network
  return connections.length === 0 ? undefined : random.pick(connections)
}
