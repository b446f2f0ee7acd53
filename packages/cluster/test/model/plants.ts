import type { Coordinator, Transport } from '@gomq/cluster'
import type { MemoryReplicaLog } from '@gomq/cluster/testing'
import type { Node } from '../support/node.js'
import type { World } from './world.js'

/** A rule that is switched off, outside the product: a port that lies, or a method that is replaced. */
export interface Plant {
  readonly coordinator?: (coordinator: Coordinator, world: World) => Coordinator
  readonly transport?: (transport: Transport, node: () => Node, world: World) => Transport
  readonly log?: (log: MemoryReplicaLog, node: () => Node) => MemoryReplicaLog
  readonly node?: (node: Node) => void
  /** R10: a wiped disk keeps its identity. */
  readonly keepsStoreId?: boolean
}
