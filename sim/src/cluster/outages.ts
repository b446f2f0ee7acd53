import type { MemoryNetwork } from '@gomq/cluster/testing'
import type { World } from '../world.js'
import type { ClusterMachine } from './cluster-machine.js'

/** Nothing gets from one broker to another for a while. */
export function cut(world: World, network: MemoryNetwork, from: string, to: string, durationMs: number): void {
  network.cut(from, to)
  world.clock.schedule(durationMs, () => network.heal(from, to))
}

/** A broker cannot reach the coordinator for a while, or for the rest of a longer one. @returns whether there is one */
export function cutCoordinator(world: World, { life }: ClusterMachine, durationMs: number): boolean {
  if (life === undefined) return false
  const { faults } = life.client
  const untilMs = world.clock.nowMs() + durationMs
  life.cutOffUntilMs = Math.max(life.cutOffUntilMs, untilMs)
  faults.isUnreachable = true
  world.clock.schedule(durationMs, () => {
    if (life.cutOffUntilMs <= untilMs) faults.isUnreachable = false
  })
  return true
}
