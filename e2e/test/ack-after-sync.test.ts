import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { straceMissing, TracedRun } from './support/strace.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const ACKS = isLong ? 100_000 : 6_000
/** Before all others come, of one that awaits each: small rounds, which a quick disk syncs on the loop. */
const ALONE = ACKS / 20
/** Publishers that have many messages on their way, each to many topics, so that there is an ack for nearly each; and such that await each. */
const BATCHING = 4
const AWAITING = 12
const TOPICS = 48

test(`each of ${ACKS} PUBACKs leaves after the sync that covers its batch, and after the directory of a new segment was synced`, async (context) => {
  if (straceMissing !== undefined) context.skip(straceMissing)
  using trace = new TracedRun()
  await using broker = await BrokerProcess.start({
    under: trace.command,
    args: ['--segment-bytes', '512KiB', '--snapshot-interval-bytes', '4MiB'],
  })
  let acked = 0
  const alone = await connect(broker.url, { clientId: 'alone' })
  for (; acked < ALONE; acked++) await alone.publish('alone', 'z'.repeat(100), { qos: 1, timeoutMs: 120_000 })
  await alone.close()
  const batching = Array.from({ length: BATCHING }, async (_, p) => {
    await using mq = await connect(broker.url, { clientId: `b${p}` })
    while (acked < ACKS) {
      const burst = Array.from({ length: TOPICS }, (_, i) =>
        mq.publish(`b${p}/${i}`, 'x'.repeat(100), { qos: 1, timeoutMs: 120_000 }),
      )
      await Promise.all(burst)
      acked += burst.length
    }
  })
  const awaiting = Array.from({ length: AWAITING }, async (_, p) => {
    await using mq = await connect(broker.url, { clientId: `a${p}` })
    for (; acked < ACKS; acked++) await mq.publish(`a${p}`, 'y'.repeat(100), { qos: 2, timeoutMs: 120_000 })
  })
  await Promise.all([...batching, ...awaiting])
  expect(await broker.stop()).toBe(0)
  const audit = await trace.audit()
  const { acks, syncs, syncsOnLoop, segmentsMade, violations } = audit
  console.log(
    `acks after syncs: ${acks} PUBACKs for ${acked} messages, ${syncs} syncs (${syncsOnLoop} on the loop), ${segmentsMade} segments made; ${violations.length} violations`,
  )
  expect(violations).toEqual([])
  expect(acks).toBeGreaterThanOrEqual(0.95 * ACKS)
  expect(segmentsMade).toBeGreaterThan(1)
}, 1_800_000)
