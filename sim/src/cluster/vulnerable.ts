import type { MemoryNetwork, SimCoordinator } from '@gomq/cluster/testing'
import type { ClusterMachine } from './cluster-machine.js'

/** What faults of a cluster strike. */
export interface Vulnerable {
  readonly machines: readonly ClusterMachine[]
  /** The machine whose broker serves, if one does. */
  readonly leader: ClusterMachine | undefined
  readonly network: MemoryNetwork
  readonly coordinator: SimCoordinator
  /** Whether a disk may be lost now: at most f are at once, each until its machine is in sync again with another. */
  mayWipe(machine: ClusterMachine): boolean
  /** Lets the coordinator keep leases for longer. @returns whether it does not already */
  stopLeaseClock(durationMs: number): boolean
}
