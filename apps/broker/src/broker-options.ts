import type { Replication, ReplicationHandler } from '@gomq/cluster'
import type { Authorizer } from '@gomq/engine'
import type { Crc32, Inflate, Offset, Random } from '@gomq/protocol'
import type { Cleaner, FileSystem, Log, LogOptions } from '@gomq/storage'
import type { BrokerLog } from './broker-log.js'
import type { Scheduler } from './scheduler.js'

/** What the replication of a broker works with. */
export interface ReplicationParts {
  readonly log: Log
  readonly handler: ReplicationHandler
  /** Where the broker's state goes on. 0 if there is none. */
  appliedOffset(): Offset
  /** Runs `work` while nobody cleans the log or writes a snapshot: what empties a log or installs a snapshot has to. */
  quietly<T>(work: () => Promise<T>): Promise<T>
}

/** How a broker takes part in a cluster. */
export interface ClusterMembership {
  /** Whether the log was emptied to be filled anew and does not yet hold what its snapshot needs. */
  readonly isFilling: boolean
  /** Makes the replication of the broker's log; called once. */
  replicate(parts: ReplicationParts): Replication
}

/** What a broker is made of. */
export interface BrokerOptions {
  readonly fs: FileSystem
  readonly directory: string
  readonly crc32: Crc32
  /** Reads compressed batches for clients that do not. Without it clients are not granted compression. */
  readonly inflate?: Inflate
  readonly scheduler: Scheduler
  /** Settles when what all sockets have brought was handed over, so that one sync serves it; {@link LogOptions.gather}. */
  readonly gather?: () => Promise<void>
  /** For identities: of the store, and of clients that bring none. */
  readonly random: Random
  readonly log: BrokerLog
  readonly brokerId: string
  readonly brokerVersion: string
  readonly messageBytesMax: number
  readonly retainedTopicsMax: number
  readonly segmentBytes: number
  readonly tailCacheBytes: number
  readonly snapshotIntervalBytes: number
  readonly unsyncedBytesMax: number
  /** The cluster that it is a member of; without one it leads alone. */
  readonly cluster?: ClusterMembership
  /** Bytes of the disk that publishes leave free; undefined: two segments and two snapshots. */
  readonly diskReserveBytes?: number | undefined
  /** Removes what the policies let go; closed with the broker, where it can be. Without one nothing is removed. */
  readonly cleaner?: Cleaner & { close?(): Promise<void> }
  /** From the end of one cleaning to the next. */
  readonly cleanIntervalMs: number
  /** Who may do what; everybody everything by default. */
  readonly authorizer?: Authorizer
  /**
   * The broker cannot keep its promises any more: it acknowledges nothing and has closed every connection; the process must end
   * without {@link Broker.shutdown}. Called once at most.
   */
  onFailure(error: Error): void
}
