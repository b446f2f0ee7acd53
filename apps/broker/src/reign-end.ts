import type { Replication } from '@gomq/cluster'
import { GomqError } from '@gomq/protocol'
import type { Log } from '@gomq/storage'
import { HANDOVER_TIMEOUT_MS } from './limits.js'
import type { Reign } from './reign.js'
import { atMost, type Scheduler } from './scheduler.js'

/**
 * Ends the reign of a broker that stops: reads no more from clients, waits until what they sent has committed and is acknowledged, says goodbye, hands
 * leadership over, waits until the wires have closed. In a cluster, which may stand still or have another leader by then, each wait is bounded.
 *
 * @throws GomqError  alone: what was sent cannot be stored
 */
export async function endReign(
  reign: Reign,
  replication: Replication,
  log: Log,
  scheduler: Scheduler,
  isAlone: boolean,
): Promise<void> {
  const { driver } = reign
  const committed = (): Promise<void> => {
    const all = reign.committed(log.logEndOffset)
    return isAlone ? all : atMost(scheduler, HANDOVER_TIMEOUT_MS, all)
  }
  driver.stopReading()
  await committed()
  driver.step(() => driver.engine.shutdown(scheduler.nowMs()))
  reign.closeDoor()
  if (!isAlone) {
    // Places of durable subscriptions, which the engine has just written down.
    await committed()
    await replication.resign(HANDOVER_TIMEOUT_MS)
    // Whoever could not be told, because nothing might leave.
    reign.end(new GomqError('SHUTTING_DOWN', 'the broker is stopping; connect to another of its cluster'), null)
  }
  await driver.wiresClosed()
  await committed()
}
