import type { Epoch, Offset } from '@gomq/protocol'
import type { BrokerAddresses, Replica } from './cluster-view.js'

/**
 * What this broker is at the moment. `joining`: it does not know yet, or its cluster has not formed. `suspended`: it leads, but its lease has run
 * out: nothing is acknowledged or delivered until the lease stands again (R18).
 */
export type ReplicaRole = 'joining' | 'member' | 'leader' | 'suspended'

/** A broker in the table of the cluster. */
export interface BrokerStatus extends Replica {
  readonly role: ReplicaRole | 'gone'
  readonly addresses: BrokerAddresses | undefined
  readonly version: string
  /** ms since 1970 by its own clock; undefined where it is not known. */
  readonly startedAtMs: number | undefined
  readonly isInSync: boolean
  /** As far as this broker knows; undefined on a member, for the others. */
  readonly logEndOffset: Offset | undefined
  /** Offsets behind the leader's log end. */
  readonly lag: number | undefined
}

/** The cluster as one broker sees it. */
export interface ClusterStatus {
  readonly clusterUuid: string
  readonly replicas: number
  readonly epoch: Epoch
  readonly role: ReplicaRole
  readonly leaderId: string | undefined
  readonly highWatermark: Offset
  readonly brokers: readonly BrokerStatus[]
  /** Why nothing goes on, in words; undefined if all is well. */
  readonly trouble: string | undefined
}

/**
 * What replication tells the broker, synchronously and in order. Between two of these calls nothing about the role changes.
 */
export interface ReplicationHandler {
  /**
   * This broker leads now, with `epoch`. Its log is what it has; the broker brings its state to the log's end and appends the epoch's first
   * record. Clients come in when that has committed.
   */
  handleLeading(epoch: Epoch): void
  /** This broker does not lead (any more); who does, if it is known. Called again when that changes. */
  handleFollowing(
    leader: { readonly id: string; readonly addresses: BrokerAddresses; readonly epoch: Epoch } | undefined,
  ): void
  /** The log was cut or emptied to here while following; what the broker derived from above is void. Comes before anything is appended behind it. */
  handleTruncated(to: Offset): void
  /** A snapshot was installed, the state begins anew from it. */
  handleSnapshotInstalled(beginOffset: Offset): void
  /** The high watermark has risen: everything below has committed. On a leader only while its lease stands (R17). */
  handleCommitted(highWatermark: Offset): void
  /** The lease has run out, or stands again: until then nothing may be sent to any client. */
  handleSuspended(isSuspended: boolean): void
  /** It cannot go on: the process must end. */
  handleFailure(error: Error): void
}

/** Replicates one log. A broker alone has the one that is always leader. */
export interface Replication {
  readonly role: ReplicaRole
  readonly status: ClusterStatus
  /**
   * Joins the cluster; the handler hears of the role when it is known. Settles when other brokers can reach this one.
   * @throws GomqError CONFIG_INVALID  they never can: its address is taken. Nothing has begun, and the handler is told nothing
   */
  start(): Promise<void>
  /**
   * The log has more in its file; the log's `onWritten` leads here. Its sync, for which the loop may stand still, is to begin when the answer has settled:
   * then members have been sent it.
   */
  handleWritten(): Promise<void> | void
  /** The log has more on disk; the log's `onSynced` leads here. */
  handleSynced(syncedOffset: Offset): void
  /** Whether this moment something may be acknowledged and delivered: it leads and its lease stands (R17). Cheap; asked in the ack path. */
  mayAcknowledge(): boolean
  /** Passes leadership on, once every in-sync member has everything; settles when another may lead or `timeoutMs` has passed. Nothing may be appended meanwhile. */
  resign(timeoutMs: number): Promise<void>
  /** Leaves: leases are revoked, links closed. */
  stop(): Promise<void>
}
