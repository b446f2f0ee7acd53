import type { Endpoint, RecoverAt } from './values.js'

/** What an operator can set, checked and in base units. Each field is an option of `option-table.ts`. */
export interface Configuration {
  /** Directory of the log and the snapshots; made when it is missing. */
  readonly dataDir: string
  /** Where native clients connect. Port 0: a free one. */
  readonly tcp: Endpoint
  /** Where HTTP is served; undefined: nowhere. */
  readonly http: Endpoint | undefined
  /** Names, beside `localhost` and addresses, that HTTP requests may carry in `Host`; lower case. */
  readonly httpHosts: readonly string[]
  /** Name of this broker in CONNACK and in logs. */
  readonly nodeId: string
  /** Greatest value of one message. */
  readonly messageBytesMax: number
  /** Topics that may have a retained message. */
  readonly retainedTopicsMax: number
  /** A segment of the log is closed when it has this size. */
  readonly segmentBytes: number
  /** Newest part of the log that is kept in memory for readers. */
  readonly tailCacheBytes: number
  /** Log between two snapshots of the state. */
  readonly snapshotIntervalBytes: number
  readonly cleanIntervalMs: number
  /** Published and not yet synced; above it, publishers wait. */
  readonly unsyncedBytesMax: number
  /** Free bytes of the disk below which publishes are refused; undefined: two segments and two snapshots. */
  readonly diskReserveBytes: number | undefined
  /** Clients connected over TCP at a time. */
  readonly connectionsMax: number
  /** The same from one address other than loopback. */
  readonly connectionsPerAddressMax: number
  /** Time that a graceful stop may take. */
  readonly shutdownTimeoutMs: number
  /** Where etcd is; empty: the broker leads alone. */
  readonly etcd: readonly string[]
  /** Name of the cluster, in etcd and between its brokers. */
  readonly cluster: string
  /** Copies that a cluster keeps which forms; one that exists keeps its own number. */
  readonly replicas: number
  /** Where the other brokers connect. */
  readonly replication: Endpoint
  /** What every broker of the cluster knows; '' where only loopback is listened on. */
  readonly clusterSecret: string
  /** Time after which a leader that is not heard of leads no more. */
  readonly leaseMs: number
  /** Time that a member may be behind before the leader goes on without it. */
  readonly replicaLagMs: number
  /** An operator's word that the cluster goes on with this copy. */
  readonly recoverAt: RecoverAt | undefined
  /** What others are told instead of the listeners' addresses. */
  readonly advertiseTcp: Endpoint | undefined
  readonly advertiseHttp: Endpoint | undefined
  readonly advertiseReplication: Endpoint | undefined
  readonly logLevel: LogLevel
  /** Allows listeners beyond loopback although nobody has to authenticate. */
  readonly insecure: boolean
}

/** How much is logged. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
