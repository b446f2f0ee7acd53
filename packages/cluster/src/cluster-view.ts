import type { Epoch } from '@gomq/protocol'

/** One copy of the log: a broker's id, and the identity that its data directory was made with. A wiped disk is another copy (R10). */
export interface Replica {
  /** Name of the broker in its cluster. */
  readonly id: string
  readonly storeId: string
}

/** Where a broker is reached, each `host:port`. */
export interface BrokerAddresses {
  /** The native protocol, for clients. */
  readonly tcp: string
  readonly http: string
  /** For the other brokers. */
  readonly replication: string
}

/** What a broker says of itself while it lives, under a lease: for liveness and addresses, never for safety. */
export interface RegisteredBroker extends Replica {
  readonly addresses: BrokerAddresses
  /** Of the software. */
  readonly version: string
  /** When its process started, ms since 1970 by its own clock; undefined for one that does not say. */
  readonly startedAtMs?: number | undefined
  /** Whether its log has never held anything: only such brokers form a cluster. */
  readonly isEmpty: boolean
}

/** Who leads, under a lease. */
export interface LeaderKey extends Replica {
  readonly epoch: Epoch
  readonly addresses: BrokerAddresses
  /** Revision at which this leadership was won: what its compare-and-sets name (R7). */
  readonly createRevision: number
}

/** The in-sync set. Only a leader writes it, by compare-and-set; no lease. */
export interface InSyncKey {
  readonly epoch: Epoch
  readonly members: readonly Replica[]
  /** Revision of its last change. */
  readonly modRevision: number
}

/** All that the coordinator knows of a cluster, read in one linearizable request. */
export interface ClusterView {
  /** Identity of the coordinator itself (etcd's cluster id): another one means that it was wiped or restored (R2). */
  readonly coordinatorId: string
  /** Of the whole store; never goes back (R2). */
  readonly revision: number
  /** Undefined until the cluster has formed, once. */
  readonly cluster: { readonly uuid: string; readonly replicas: number } | undefined
  readonly inSync: InSyncKey | undefined
  readonly leader: LeaderKey | undefined
  readonly brokers: readonly RegisteredBroker[]
}
