import type { Figure } from '../figure.js'
import type { System } from '../systems/system.js'

/** Something to measure of any system. */
export interface Workload {
  readonly name: string
  /** What the figure says, in a line. */
  readonly about: string
  /** What is compared: messages a second, the 99th percentile of the latency, or resident memory. */
  readonly by: 'rate' | 'p99' | 'memory'
  /** Of which sizes of messages it is run: each that was asked for, or the first alone where more would say nothing new. */
  readonly sizes: 'each' | 'first'
  /** Runs at most, where all say the same; undefined: as many as were asked for. */
  readonly runsMax?: number
  /** Why a system cannot do it, beyond what the system says itself; undefined: it can. */
  cannot?(system: System): string | undefined
  /** One run of one system. */
  run(system: System, context: WorkloadContext): Promise<Figure[]>
}

/** What a workload needs from the harness. */
export interface WorkloadContext {
  readonly workDirectory: string
  /** Of one measurement at most, warm-up included; some workloads take fewer. */
  readonly messages: number
  readonly messageBytes: number
  /** For which a fixed rate is kept, and for which others last at most, about. */
  readonly seconds: number
  /** Seconds after which a workload of one system is given up. */
  readonly timeLimitSec: number
  /** Of JSON messages; undefined: messages that say nothing, uncompressed. */
  readonly compression: 'none' | 'deflate' | undefined
  /** Whether programs that are missing may be installed. */
  readonly mayInstall: boolean
  /** Whether figures have profiles of all event loops. Then they are no figures to compare. */
  readonly isProfiled: boolean
  onProgress(done: number): void
}
