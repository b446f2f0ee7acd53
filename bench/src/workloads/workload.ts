import type { Figure } from '../figure.js'
import type { System } from '../systems/system.js'

/** Something to measure of any system. */
export interface Workload {
  readonly name: string
  /** What the figure says, in a line. */
  readonly about: string
  /** What is compared: messages a second, or the 99th percentile of the latency. */
  readonly by: 'rate' | 'p99'
  /** Why a system cannot do it, beyond what the system says itself; undefined: it can. */
  cannot?(system: System): string | undefined
  /** One run of one system. */
  run(system: System, context: WorkloadContext): Promise<Figure[]>
}

/** What a workload needs from the harness. */
export interface WorkloadContext {
  readonly workDirectory: string
  /** At most; some workloads and systems take fewer. */
  readonly messages: number
  readonly messageBytes: number
  /** Seconds for which a fixed rate is kept. */
  readonly pacedSec: number
  /** Seconds after which a workload of one system is given up. */
  readonly timeLimitSec: number
  /** Of JSON messages; undefined: messages that say nothing, uncompressed. */
  readonly compression: 'none' | 'deflate' | undefined
  /** Whether programs that are missing may be installed. */
  readonly mayInstall: boolean
  onProgress(done: number, total: number): void
}
