import type { Connection } from './network.js'
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
  /** @returns whether there was something that it could strike */
  strike(world: World, targets: FaultTargets): boolean
}

/** Where faults come from. */
export interface FaultSource {
  readonly faults: readonly Fault[]
  /** Mean time between two. */
  readonly faultIntervalMs: number
}

/** What strikes clients and their connections. */
export const CLIENT_FAULTS: readonly Fault[] = [
  { name: 'cut', weight: 6, strike: (world) => strikeConnection(world, (connection) => connection.cut()) },
  {
    name: 'half-open',
    weight: 3,
    strike: (world) =>
      strikeConnection(world, (connection) => connection.halfOpen(world.random.chance(0.5) ? 'client' : 'broker')),
  },
  {
    name: 'stall',
    weight: 5,
    strike: (world) =>
      strikeConnection(world, (connection) =>
        connection.stall(world.random.chance(0.5) ? 'toBroker' : 'toClient', 50 + world.random.below(4_000)),
      ),
  },
  {
    name: 'publisher-restart',
    weight: 2,
    strike: (world, { publishers }) => done(world.random.pick(publishers).restart()),
  },
  {
    name: 'subscriber-restart',
    weight: 4,
    strike: (world, { subscribers }) => done(world.random.pick(subscribers).restart()),
  },
  {
    name: 'take-over',
    weight: 3,
    strike: (world, { subscribers }) => done(world.random.pick(subscribers).takeOver()),
  },
]

/** For faults that always find something to strike. @returns true */
export function done(_struck: unknown): true {
  return true
}

/** Lets faults happen until the world is healed. */
export function scheduleFaults(world: World, source: FaultSource, targets: FaultTargets): void {
  if (source.faults.length === 0) return
  world.clock.schedule(1 + world.random.below(2 * source.faultIntervalMs), () => {
    if (!world.isFaulty) return
    const fault = pickFault(world, source.faults)
    world.trace.add('fault', fault.name)
    if (fault.strike(world, targets)) world.faults.add(fault.name)
    scheduleFaults(world, source, targets)
  })
}

function pickFault(world: World, faults: readonly Fault[]): Fault {
  let at = world.random.below(faults.reduce((sum, fault) => sum + fault.weight, 0))
  for (const fault of faults) if ((at -= fault.weight) < 0) return fault
  return faults[0]!
}

function strikeConnection({ network, random }: World, strike: (connection: Connection) => void): boolean {
  const { connections } = network
  if (connections.length === 0) return false
  strike(random.pick(connections))
  return true
}
