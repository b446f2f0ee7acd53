import type { Endpoint } from './values.js'

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
  readonly logLevel: LogLevel
  /** Allows listeners beyond loopback although nobody has to authenticate. */
  readonly insecure: boolean
}

/** How much is logged. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'
