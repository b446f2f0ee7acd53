import { memory } from './memory.js'
import { restart } from './restart.js'
import { snapshotPauses } from './snapshot-pauses.js'
import type { Row, StateContext } from './state-context.js'
import { writeAmplification } from './write-amplification.js'

/** Workloads about what the broker keeps; each has a table of its own, and runs only when it is named. */
export const STATE_WORKLOADS: Readonly<Record<string, (context: StateContext) => Promise<Row[]>>> = {
  restart,
  'snapshot-pauses': snapshotPauses,
  memory,
  'write-amplification': writeAmplification,
}
