import type { VirtualClock } from '@gomq/cluster/testing'
import type { Crc32 } from '@gomq/protocol'
import type { SeededRandom } from '@gomq/protocol/testing'
import type { Witness } from './cluster/witness.js'
import type { History } from './history.js'
import type { Network } from './network.js'
import type { Plant } from './plant.js'
import type { Tally } from './tally.js'
import type { Trace } from './trace.js'

/** What all actors of a run share. */
export interface World {
  readonly clock: VirtualClock
  readonly random: SeededRandom
  readonly network: Network
  readonly trace: Trace
  readonly history: History
  /** How often each fault struck something. */
  readonly faults: Tally
  readonly crc32: Crc32
  /** Where clients find brokers. */
  readonly addresses: readonly string[]
  /** Watches the brokers of a cluster; null for one alone. */
  readonly witness: Witness | null
  /** The planted bug, if any. */
  readonly plant: Plant | null
  /** Whether an operator gives policies to topics, which are published to then. */
  readonly isGoverned: boolean
  /** Whether faults still happen. */
  isFaulty: boolean
  /** Something broke that no history shows: a broker that does not start, a bug that it reports. */
  report(invariant: string, detail: string): void
}
