import { rmSync } from 'node:fs'
import { connect } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { AckGaps } from './support/ack-gaps.js'
import { ClusterProcesses, statusOf } from './support/cluster-processes.js'
import { Deliveries, ONCE_IN_ORDER } from './support/deliveries.js'
import { etcdMissing } from './support/etcd-process.js'
import { consumeDurably, delay, produce } from './support/killed-load.js'
import { NOTHING_WRONG } from './support/ledger.js'
import { readAll } from './support/read-all.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)
const PRODUCERS = 3

beforeEach((context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
})

/** Load on a cluster while `faults` happen; afterwards everything is held against what was promised. */
async function survive(
  name: string,
  qos: 1 | 2,
  faults: (cluster: ClusterProcesses, gaps: AckGaps) => Promise<void>,
): Promise<AckGaps> {
  await using cluster = await ClusterProcesses.start()
  const ledger = new AckGaps()
  const stop = new AbortController()
  const deliveries = new Deliveries()
  const producers = Array.from({ length: PRODUCERS }, (_, i) =>
    produce(cluster.urls, `p${i}`, qos, ledger, stop.signal),
  )
  const consumer = consumeDurably(cluster.urls, qos, deliveries)
  await ledger.nextAck()
  await faults(cluster, ledger)
  await cluster.settled()
  await delay(500)
  stop.abort()
  await Promise.all(producers)
  const stored = await readAll(cluster.urls, 'load/#')
  await consumer.finish(() => deliveries.count >= stored.length)
  const audit = ledger.audit(stored)
  const delivered = deliveries.audit(stored)
  console.log(
    `${name}, QoS ${qos} (seed ${seed}): ${ledger.count('acked')} acked, ${ledger.count('unknown')} unknown, ${ledger.count('refused')} refused; ` +
      `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; ` +
      `durable consumer: ${deliveries.count} received, ${delivered.missed} missed, ${delivered.doubled} doubled, ${delivered.outOfOrder} out of order; ${ledger.summary}`,
  )
  expect(audit, `seed ${seed}`).toMatchObject(NOTHING_WRONG)
  expect(delivered, `at the durable consumer; seed ${seed}`).toEqual(ONCE_IN_ORDER)
  expect(ledger.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(100)
  // The members hold the same as the leader.
  const { highWatermark, brokers } = await cluster.settled()
  for (const broker of brokers) expect(broker.logEndOffset, broker.id).toBeGreaterThanOrEqual(highWatermark)
  return ledger
}

describe('a cluster of three', () => {
  test('forms by itself, takes publishes at any broker and says that they are replicated', async () => {
    await using cluster = await ClusterProcesses.start()
    for (const broker of cluster.brokers) {
      await using mq = await connect(broker.url)
      expect(await mq.publish('t', 'x', { qos: 1 })).toMatchObject({ durability: 'replicated' })
    }
    const answers = await Promise.all(cluster.brokers.map(statusOf))
    expect(new Set(answers.map((answer) => answer?.leaderId)).size).toBe(1)
    expect(answers.map((answer) => answer?.role).sort()).toEqual(['leader', 'member', 'member'])
    expect(await readAll(cluster.urls, 't')).toEqual(['x', 'x', 'x'])
  })

  test.each(isLong ? ([1, 2] as const).map((qos) => ({ qos })) : ([{ qos: 2 }] as const))(
    'loses, doubles and reorders nothing when its leader is killed, at QoS $qos',
    async ({ qos }) => {
      const random = new SeededRandom(seed + qos)
      await survive('kill -9 of the leader', qos, async (cluster, gaps) => {
        for (let round = 0; round < (isLong ? 50 : 1); round++) {
          await delay(200 + random.below(500))
          const leader = await cluster.leader()
          await gaps.across(() => leader.kill())
          await leader.restart()
          await cluster.settled()
        }
      })
    },
    1_800_000,
  )

  test('is restarted one by one under load, and no publish fails', async () => {
    const ledger = await survive('rolling restart', 1, async (cluster, gaps) => {
      for (let round = 0; round < (isLong ? 10 : 1); round++) {
        for (const broker of cluster.brokers) {
          await gaps.across(async () => void (await broker.stop()))
          await broker.restart()
          await cluster.settled()
        }
      }
    })
    expect(ledger.count('refused') + ledger.count('unknown')).toBe(0)
  }, 600_000)

  test('stops acknowledging when etcd is gone, and goes on when it is back', async () => {
    await survive('etcd gone', 2, async (cluster, gaps) => {
      await cluster.etcd.kill()
      // The lease of 5 s has run out by then, whenever it was renewed last.
      await delay(6_000)
      const acked = gaps.count('acked')
      await delay(1_500)
      expect(gaps.count('acked')).toBe(acked)
      await gaps.across(() => cluster.etcd.start())
    })
  }, 120_000)

  test('fills a wiped member anew', async () => {
    await survive('wiped member', 1, async (cluster) => {
      const leader = await cluster.leader()
      const member = cluster.brokers.find((broker) => broker !== leader)!
      await member.kill()
      rmSync(member.dataDirectory, { recursive: true })
      await member.restart()
      await cluster.settled()
    })
  }, 120_000)

  test('has one leader also when the old one was only asleep', async (context) => {
    if (!isLong) context.skip('takes as long as a lease; GOMQ_LONG=1 runs it')
    await survive('SIGSTOP of the leader', 2, async (cluster, gaps) => {
      const leader = await cluster.leader()
      await gaps.across(() => {
        process.kill(leader.pid, 'SIGSTOP')
        return Promise.resolve()
      })
      process.kill(leader.pid, 'SIGCONT')
      await cluster.settled()
    })
  }, 120_000)
})
