import { expect, test } from 'vitest'
import type { Client, PublishJob } from '../../src/systems/system.js'
import { publishMeasured } from '../../src/workers/produce.js'
import { RateMeter } from '../../src/workers/rate-meter.js'

const SEC = 1_000_000_000n
const CONNECTIONS = 100
const JOB = { qos: 1, isOneTopic: true, topicAt: () => 'a', valueAt: (index: number) => Uint8Array.of(index) } as const

/** Connections that all acknowledge at the end of the same second, each its share at once, as those do that have all of it in flight. */
function connectionsOf(clock: { ns: bigint }, publishAll: (job: PublishJob) => void = () => undefined): Client[] {
  let sent = 0
  let answer = () => {}
  const isAnswered = new Promise<void>((resolve) => (answer = resolve))
  const client = {
    publishAll: async (job: PublishJob) => {
      publishAll(job)
      if (++sent === CONNECTIONS) {
        clock.ns += SEC
        answer()
      }
      await isAnswered
      job.onAcked(job.count)
    },
  }
  return Array.from({ length: CONNECTIONS }, () => client as unknown as Client)
}

test('what 100 connections have in flight has its whole time in the rate, though all acknowledgements come at once', async () => {
  const clock = { ns: 5n * SEC }
  const meter = new RateMeter(() => clock.ns)
  await publishMeasured(connectionsOf(clock), JOB, 0, 50_000, meter, () => undefined)
  expect([meter.seen, meter.ratePerSec]).toEqual([50_000, 50_000])
})

test('each message is published once, by one of the connections, and those of the warm-up not again', async () => {
  const clock = { ns: 0n }
  const indexes: number[] = []
  const jobs = connectionsOf(clock, ({ count, valueAt }) => {
    for (let i = 0; i < count; i++) indexes.push(valueAt(i)[0]!)
  })
  await publishMeasured(jobs, JOB, 20, 201, new RateMeter(() => clock.ns), () => undefined)
  expect(indexes).toEqual(Array.from({ length: 201 }, (_, i) => 20 + i))
})
