import { MESSAGE_BYTES_LIMIT } from '@gomq/protocol'
import type { Configuration } from './configuration.js'
import {
  boolean,
  endpoint,
  endpointOrNone,
  endpointOrOff,
  hostNames,
  identifier,
  integer,
  name,
  oneOf,
  path,
  recoverAtOrNone,
  type Schema,
  secret,
  sizeBytes,
  sizeBytesOrAuto,
  urls,
} from './values.js'

/** One option: `--flag` on the command line, `GOMQ_FLAG` in the environment, `flag = ` in the file. */
export interface Option<T> {
  /** Name on the command line and in the file. */
  readonly flag: string
  /** What stands for the value in `--help`; undefined: a switch without value. */
  readonly placeholder: string | undefined
  /** As an operator would write it. */
  readonly fallback: string
  readonly description: string
  readonly schema: Schema<T>
}

const KIB = 1024
const MIB: number = 1024 * KIB
const GIB: number = 1024 * MIB

/** Every option, in the order of `--help`. The help, the reference documentation and all three sources are made from it. */
export const OPTIONS: { readonly [K in keyof Configuration]: Option<Configuration[K]> } = {
  dataDir: {
    flag: 'data-dir',
    placeholder: 'directory',
    fallback: './gomq-data',
    description: 'Directory of the log and the snapshots; made when it is missing.',
    schema: path,
  },
  tcp: {
    flag: 'tcp',
    placeholder: 'host:port',
    fallback: '127.0.0.1:9000',
    description: 'Address for native clients. Port 0 takes a free one, which the ready line names.',
    schema: endpoint,
  },
  http: {
    flag: 'http',
    placeholder: 'host:port|off',
    fallback: '127.0.0.1:8000',
    description: 'Address for HTTP. Port 0 takes a free one.',
    schema: endpointOrOff,
  },
  httpHosts: {
    flag: 'http-hosts',
    placeholder: 'names',
    fallback: '',
    description:
      'Host names, with commas between them, that HTTP requests may be addressed to, beside localhost and IP addresses. Others are refused, which stops DNS rebinding.',
    schema: hostNames,
  },
  nodeId: {
    flag: 'node-id',
    placeholder: 'name',
    fallback: 'gomq-1',
    description: 'Name of this broker, for clients and logs.',
    schema: name,
  },
  messageBytesMax: {
    flag: 'message-bytes-max',
    placeholder: 'size',
    fallback: '4MiB',
    description: 'Greatest value of one message, up to 64MiB.',
    schema: sizeBytes(1, MESSAGE_BYTES_LIMIT),
  },
  retainedTopicsMax: {
    flag: 'retained-topics-max',
    placeholder: 'count',
    fallback: '1000000',
    description: 'Topics that may have a retained message. Each takes 100 to 235 bytes of memory.',
    schema: integer(0, 100_000_000),
  },
  segmentBytes: {
    flag: 'segment-bytes',
    placeholder: 'size',
    fallback: '128MiB',
    description: 'Size at which a segment file of the log is closed and the next one begins.',
    schema: sizeBytes(64 * KIB, GIB),
  },
  tailCacheBytes: {
    flag: 'tail-cache-bytes',
    placeholder: 'size',
    fallback: '32MiB',
    description: 'Newest part of the log that is kept in memory, so that live readers do not touch the disk.',
    schema: sizeBytes(0, 4 * GIB),
  },
  snapshotIntervalBytes: {
    flag: 'snapshot-interval-bytes',
    placeholder: 'size',
    fallback: '256MiB',
    description: 'Log written between two snapshots of the state. A start replays at most about this much.',
    schema: sizeBytes(64 * KIB, 64 * GIB),
  },
  cleanIntervalMs: {
    flag: 'clean-interval-ms',
    placeholder: 'milliseconds',
    fallback: '10000',
    description: 'Time between two looks at the log for what the retention policies let go.',
    schema: integer(10, 86_400_000),
  },
  unsyncedBytesMax: {
    flag: 'unsynced-bytes-max',
    placeholder: 'size',
    fallback: '64MiB',
    description:
      'Bytes published and not yet on disk, over all clients. Above it the broker stops reading from those who publish.',
    schema: sizeBytes(MIB, 4 * GIB),
  },
  diskReserveBytes: {
    flag: 'disk-reserve-bytes',
    placeholder: 'size|auto',
    fallback: 'auto',
    description:
      'Free space of the disk below which publishes are refused with DISK_FULL; acknowledgements and the cleaner may use it. auto is two segments and two snapshots, 0 is none.',
    schema: sizeBytesOrAuto(0, 1024 * GIB),
  },
  connectionsMax: {
    flag: 'connections-max',
    placeholder: 'count',
    fallback: '10000',
    description: 'TCP connections at a time.',
    schema: integer(1, 1_000_000),
  },
  connectionsPerAddressMax: {
    flag: 'connections-per-address-max',
    placeholder: 'count',
    fallback: '200',
    description: 'TCP connections at a time from one address; loopback is exempt.',
    schema: integer(1, 1_000_000),
  },
  shutdownTimeoutMs: {
    flag: 'shutdown-timeout-ms',
    placeholder: 'milliseconds',
    fallback: '10000',
    description: 'Time that a graceful stop may take before what is left is cut off.',
    schema: integer(0, 600_000),
  },
  etcd: {
    flag: 'etcd',
    placeholder: 'urls',
    fallback: '',
    description:
      'Addresses of etcd, with commas between them: the broker is one of a cluster. Without it the broker leads alone and needs no etcd.',
    schema: urls,
  },
  cluster: {
    flag: 'cluster',
    placeholder: 'name',
    fallback: 'gomq',
    description: 'Name of the cluster, the same for all its brokers: letters, digits, dots, hyphens and underscores.',
    schema: identifier,
  },
  replicas: {
    flag: 'replicas',
    placeholder: 'count',
    fallback: '3',
    description:
      'Brokers that keep the log, when the cluster forms: more than half of them must have a message before it is acknowledged. Later it is what it was.',
    schema: integer(1, 9),
  },
  replication: {
    flag: 'replication',
    placeholder: 'host:port',
    fallback: '127.0.0.1:9100',
    description: 'Address for the other brokers of the cluster.',
    schema: endpoint,
  },
  clusterSecret: {
    flag: 'cluster-secret',
    placeholder: 'text|@file',
    fallback: '',
    description:
      'What the brokers of a cluster prove to each other that they know: the text, or @ and the file that it stands in. Needed to listen for them beyond loopback.',
    schema: secret,
  },
  leaseMs: {
    flag: 'lease-ms',
    placeholder: 'milliseconds',
    fallback: '5000',
    description: 'Time after which a leader that etcd does not hear of leads no more.',
    schema: integer(2_000, 60_000),
  },
  replicaLagMs: {
    flag: 'replica-lag-ms',
    placeholder: 'milliseconds',
    fallback: '3000',
    description: 'Time that a member may be behind before acknowledgements wait for it no more.',
    schema: integer(500, 60_000),
  },
  recoverAt: {
    flag: 'recover-at',
    placeholder: 'offset@epoch',
    fallback: '',
    description:
      "Makes a cluster that has lost everything in sync, or its etcd, go on with this broker's copy, as a refusal says: see docs/operating/cluster.md. What only others have is lost.",
    schema: recoverAtOrNone,
  },
  advertiseTcp: {
    flag: 'advertise-tcp',
    placeholder: 'host:port',
    fallback: '',
    description: 'Address at which native clients reach this broker, if it is another than --tcp.',
    schema: endpointOrNone,
  },
  advertiseHttp: {
    flag: 'advertise-http',
    placeholder: 'host:port',
    fallback: '',
    description: 'Address at which this broker is reached over HTTP, if it is another than --http.',
    schema: endpointOrNone,
  },
  advertiseReplication: {
    flag: 'advertise-replication',
    placeholder: 'host:port',
    fallback: '',
    description: 'Address at which the other brokers reach this one, if it is another than --replication.',
    schema: endpointOrNone,
  },
  logLevel: {
    flag: 'log-level',
    placeholder: 'level',
    fallback: 'info',
    description: 'Least level that is logged: trace, debug, info, warn, error, silent.',
    schema: oneOf('trace', 'debug', 'info', 'warn', 'error', 'silent'),
  },
  insecure: {
    flag: 'insecure',
    placeholder: undefined,
    fallback: 'false',
    description:
      'Allows to listen beyond loopback although clients need not authenticate: whoever reaches the port can read and write everything.',
    schema: boolean,
  },
}

/** Keys of {@link OPTIONS}, in order. */
export const OPTION_KEYS: readonly (keyof Configuration)[] = Object.keys(OPTIONS) as (keyof Configuration)[]

/** Name of an option in the environment: `data-dir` is `GOMQ_DATA_DIR`. */
export function environmentName(flag: string): string {
  return `GOMQ_${flag.toUpperCase().replaceAll('-', '_')}`
}
