import type { LoopProfile } from './profile/profiler.js'
import type { LatencySummary } from './statistics.js'

/** What one system did in one workload: of several runs the medians. */
export interface Figure {
  /** The workload, or one of its cases: `fan-out 10`. */
  readonly workload: string
  readonly system: string
  /** What is safe when a message has been acknowledged. */
  readonly durability: string
  /** Of the measurement, without its warm-up. */
  readonly messages: number
  readonly messageBytes: number
  /** All these messages over all their time, until the last is done. */
  readonly ratePerSec: number
  /** The rate of each run, in their order. */
  readonly ratesPerSec: readonly number[]
  /** From publish to arrival, or of the one who waits; with a fixed rate, from when the message should have been sent. */
  readonly latency?: LatencySummary
  /** From when a message should have been sent to its acknowledgement. */
  readonly ackLatency?: LatencySummary
  /** CPU microseconds of all clients, and of all server processes, for each message. */
  readonly clientCpuUs: number
  readonly serverCpuUs: number
  /** The greatest resident set of the server processes together. */
  readonly serverRssMiB: number
  /** Resident set at the end less that after the warm-up; flat means bounded. */
  readonly serverRssGrowthMiB: number
  /** Of messages that should have come: those that did not, and copies. The most of a run. */
  readonly lost: number
  readonly duplicated: number
  /** Of a server that nobody uses: its resident set, and its CPU in percent of one core. */
  readonly idle?: { readonly rssMiB: number; readonly cpuPercent: number }
  /** Bytes of the log for each byte of the messages' values; only where compression is measured. */
  readonly storedShare?: number
  /** Of a run that was made for them. */
  readonly profile?: Profile
}

/** Where the time went. */
export interface Profile {
  /** Of the server first. */
  readonly loops: readonly LoopProfile[]
  /** What of the CPU of the server, of all its threads, the kernel took. */
  readonly serverKernelShare: number
}

/** A system that has no figure in a workload, and why. */
export interface Gap {
  readonly workload: string
  readonly system: string
  readonly reason: string
}
