import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { ONCE_IN_ORDER } from './support/deliveries.js'
import { killUnderLoad } from './support/killed-load.js'
import { NOTHING_WRONG } from './support/ledger.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const PRODUCERS = ['none', 'none', 'none'] as const
const seed = Number(process.env['GOMQ_SEED'] ?? 20_261)

test.each([
  { qos: 1, rounds: isLong ? 200 : 15 },
  { qos: 2, rounds: isLong ? 200 : 8 },
] as const)(
  'kill -9 at $rounds random moments under load of QoS $qos loses, doubles and reorders nothing that was acked, in the log and at a durable consumer',
  async ({ qos, rounds }) => {
    const random = new SeededRandom(seed + qos)
    await using broker = await BrokerProcess.start()
    const { ledger, deliveries, stored } = await killUnderLoad(broker, { qos, rounds, compressions: PRODUCERS, random })
    const audit = ledger.audit(stored)
    const delivered = deliveries.audit(stored)

    console.log(
      `kill -9, QoS ${qos} (seed ${seed}): ${rounds} rounds, ${ledger.count('acked')} acked, ${ledger.count('unknown')} unknown, ${ledger.count('refused')} refused; ` +
        `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; ` +
        `durable consumer: ${deliveries.count} received, ${delivered.missed} missed, ${delivered.doubled} doubled, ${delivered.outOfOrder} out of order`,
    )
    expect(audit, `seed ${seed}`).toMatchObject(NOTHING_WRONG)
    expect(delivered, `at the durable consumer; seed ${seed}`).toEqual(ONCE_IN_ORDER)
    expect(ledger.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(rounds * 50)
  },
  1_800_000,
)
