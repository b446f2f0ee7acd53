import type { Publisher } from './publisher.js'
import type { Subscriber } from './subscriber.js'
import type { World } from './world.js'

/** Whom faults may strike. */
export interface FaultTargets {
  readonly publishers: readonly Publisher[]
  readonly subscribers: readonly Subscriber[]
}

/** A fault, its weight against the others, and what it does. */
export interface Fault {
  readonly name: string
  readonly weight: number
  strike(world: World, targets: FaultTargets): void
}

/** Where faults come from. */
export interface FaultSource {
  readonly faults: readonly Fault[]
  /** Mean time between two. */
  readonly faultIntervalMs: number
}

/** What strikes clients and their connections. */
export const CLIENT_FAULTS: readonly Fault[] = [
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
]

/** Lets faults happen until the world is healed. */
export function scheduleFaults(world: World, source: FaultSource, targets: FaultTargets): void {
  world.clock.schedule(1 + world.random.below(2 * source.faultIntervalMs), () => {
    if (!world.isFaulty) return
    const fault = pickFault(world, source.faults)
    world.trace.add('fault', fault.name)
    fault.strike(world, targets)
    scheduleFaults(world, source, targets)
  })
}

function pickFault(world: World, faults: readonly Fault[]): Fault {
  let at = world.random.below(faults.reduce((sum, fault) => sum + fault.weight, 0))
  for (const fault of faults) if ((at -= fault.weight) < 0) return fault
  return faults[0]!
}

function pickConnection(world: World): ReturnType<typeof firstOf> {
  return firstOf(world)
}

function firstOf({ network, random }: World) {
  const { connections } = network
  return connections.length === 0 ? undefined : random.pick(connections)
}
