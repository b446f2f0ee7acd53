import type { Broker } from '@gomq/broker'
import type { Fault } from './fault-schedule.js'

/** Where a service runs: the machine of a broker alone, or those of a cluster. */
export interface Site {
  /** The broker that serves clients now, if one does. */
  readonly serving: Broker | undefined
  /** What may strike, client faults included. */
  readonly faults: readonly Fault[]
  /** Mean time between two faults. */
  readonly faultIntervalMs: number
  /** How long the first start may take. */
  readonly startMs: number
  /** Ends faults that last. */
  heal(): void
  /** All is calm: what may change hands does so once more, before everything is read back. */
  changeHands(): void
  /** Whether all parts are well, some time after the last fault. */
  readonly isWell: boolean
  /** One event is over: reports what must hold at any moment and does not. Called some 10,000 times a second. */
  inspect(): void
  /** Reports what only the machines show, at the end. */
  verify(): Promise<void>
}
