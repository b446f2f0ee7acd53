import type { Epoch } from '@gomq/protocol'
import type { BrokerAddresses, ClusterView, RegisteredBroker, Replica } from './cluster-view.js'

/** A lease of the coordinator's. What stands under it goes when it is not renewed in time. */
export interface Lease {
  readonly id: string
  /** What was granted; the coordinator may have a minimum (etcd: 2 s). */
  readonly ttlMs: number
}

/**
 * How a conditional write ended. `unknown`: no answer came in time, so that it may have been done, may be done yet, or never (R9): it is
 * settled by another write, not by a read.
 */
export type WriteOutcome =
  | { readonly kind: 'done'; readonly view: ClusterView }
  | { readonly kind: 'refused'; readonly view: ClusterView }
  | { readonly kind: 'unknown' }

/**
 * The authority on who leads and who is in sync; etcd in a real cluster. Every call ends, at the latest when its deadline has passed
 * (1.5 s), and never retries by itself: a write that is tried again behind the caller's back is done twice.
 *
 * Writes are single transactions; they do not throw, an error is `unknown`.
 */
export interface Coordinator {
  /** Everything, linearizable. @throws GomqError COORDINATOR_UNAVAILABLE */
  read(): Promise<ClusterView>
  /** Grants a lease and registers the broker under it. @throws GomqError COORDINATOR_UNAVAILABLE */
  register(broker: RegisteredBroker, ttlMs: number): Promise<Lease>
  /** Renews the lease once. @returns what it was renewed to, ms; 0: the lease is gone @throws GomqError COORDINATOR_UNAVAILABLE */
  keepAlive(lease: Lease): Promise<number>
  /** Ends the lease with all that stands under it. Never throws: what cannot be revoked runs out. */
  revoke(lease: Lease): Promise<void>
  /** Forms the cluster if there is none: writes its identity and the first in-sync set (epoch 0) in one transaction. */
  form(cluster: { uuid: string; replicas: number }, members: readonly Replica[]): Promise<WriteOutcome>
  /**
   * Election (R1): if nobody leads and the in-sync set stands at `inSyncRevision`, puts the leader's key under `lease` and the epoch into
   * the in-sync set, whose members stay.
   */
  campaign(request: {
    readonly lease: Lease
    readonly leader: Replica & { readonly epoch: Epoch; readonly addresses: BrokerAddresses }
    readonly members: readonly Replica[]
    readonly inSyncRevision: number
  }): Promise<WriteOutcome>
  /** Changes the in-sync set, if the leader is still the one that won at `leaderRevision` and the set stands at `inSyncRevision` (R7). */
  changeInSync(request: {
    readonly epoch: Epoch
    readonly members: readonly Replica[]
    readonly leaderRevision: number
    readonly inSyncRevision: number
  }): Promise<WriteOutcome>
  /**
   * By an operator's word (R19): makes one copy the in-sync set, with this epoch, and writes the cluster's identity; if nobody leads and the set stands at
   * `inSyncRevision` (0: there is none).
   */
  appoint(request: {
    readonly cluster: { readonly uuid: string; readonly replicas: number }
    readonly epoch: Epoch
    readonly member: Replica
    readonly inSyncRevision: number
  }): Promise<WriteOutcome>
  /** Removes the leader's key if it is the one won at `leaderRevision`: a leader that resigns, or one whose process is known to be dead. */
  removeLeader(leaderRevision: number): Promise<WriteOutcome>
  /** Calls `onChange` when something may have changed: a hint, it may come late, twice or never. @returns ends the watch */
  watch(onChange: () => void): () => void
  /** Gives connections back; nothing is called afterwards. */
  close(): Promise<void>
}
