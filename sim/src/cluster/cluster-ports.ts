import type { ClusterView } from '@gomq/cluster'
import type { MemoryNetwork, SimCoordinator } from '@gomq/cluster/testing'

/** What the machines of a cluster share. */
export interface ClusterPorts {
  readonly network: MemoryNetwork
  readonly coordinator: SimCoordinator
  /** n. */
  readonly count: number
  /** The stores of all brokers. */
  replicas(): NonNullable<ClusterView['inSync']>['members']
}
