import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { Deliveries } from './support/deliveries.js'
import { consumeDurably, delay, produce } from './support/killed-load.js'
import { Ledger } from './support/ledger.js'
import { readAll } from './support/read-all.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const PRODUCERS = 3
const seed = Number(process.env['GOMQ_SEED'] ?? 20_261)

test.each([
  { qos: 1, rounds: isLong ? 200 : 50 },
  { qos: 2, rounds: isLong ? 200 : 8 },
] as const)(
  'kill -9 at $rounds random moments under load of QoS $qos loses, doubles and reorders nothing that was acked, in the log and at a durable consumer',
  async ({ qos, rounds }) => {
    const random = new SeededRandom(seed + qos)
    await using broker = await BrokerProcess.start()
    const ledger = new Ledger()
    const stop = new AbortController()
    const deliveries = new Deliveries()
    const producers = Array.from({ length: PRODUCERS }, (_, i) =>
      produce(broker.url, `p${i}`, qos, ledger, stop.signal),
    )
    const consumer = consumeDurably(broker.url, qos, deliveries)

    for (let round = 0; round < rounds; round++) {
      await delay(50 + random.below(350))
      await broker.kill()
      await broker.restart()
    }
    await delay(500)
    stop.abort()
    await Promise.all(producers)
    const stored = await readAll(broker.url, 'load/#')
    await consumer.finish(stored.length)
    const audit = ledger.audit(stored)
    const { count, doubled, outOfOrder } = deliveries
    const missed = deliveries.missing(stored)

    console.log(
      `kill -9, QoS ${qos} (seed ${seed}): ${rounds} rounds, ${ledger.count('acked')} acked, ${ledger.count('unknown')} unknown, ${ledger.count('refused')} refused; ` +
        `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; ` +
        `durable consumer: ${count} received, ${missed} missed, ${doubled} doubled, ${outOfOrder} out of order`,
    )
    expect(audit, `seed ${seed}`).toMatchObject({
      lost: 0,
      duplicated: 0,
      outOfOrder: 0,
      refusedButStored: 0,
      unheardOf: 0,
      firstLost: '',
    })
    expect({ missed, doubled, outOfOrder }, `at the durable consumer; seed ${seed}`).toEqual({
      missed: 0,
      doubled: 0,
      outOfOrder: 0,
    })
    expect(ledger.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(rounds * 50)
  },
  1_800_000,
)
