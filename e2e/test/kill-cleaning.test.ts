import { connect } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { CountedTopics, JobTopics, KeyedTopics } from './support/cleaned-load.js'
import { cleaningReport, putPolicy, segmentNames } from './support/cleaning-report.js'
import { Deliveries } from './support/deliveries.js'
import { gomqctl } from './support/gomqctl.js'
import { consumeDurably, delay, produce } from './support/killed-load.js'
import { Ledger } from './support/ledger.js'
import { readAll, readMessages } from './support/read-all.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const ROUNDS = Number(process.env['GOMQ_ROUNDS'] ?? 200)
const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)
const PRODUCERS = 3
const MAX_COUNT = 500
const RETAINED = 10
/** The rest of a batch that reaches above the floor stays. */
const BATCH_MAX = 200
/** How long turns may take until everything is removed that is to go. */
const SETTLED_WITHIN_MS = 120_000
/** As often as it can be: some segments, snapshots and turns of the cleaner in each round. */
const ARGS = ['--segment-bytes', '64KiB', '--snapshot-interval-bytes', '64KiB', '--clean-interval-ms', '10']

// A turn of the cleaner takes longer than a short slice lets a broker live: only as a campaign.
test(`kill -9 at ${ROUNDS} random moments of appends, cleaning, snapshots and start-up itself: retention and compaction take what the policies say and nothing else`, async (context) => {
  if (!isLong) context.skip('a campaign of minutes; GOMQ_LONG=1 runs it, GOMQ_ROUNDS=8 makes it short')
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start({ args: ARGS })
  const { url } = broker
  await putPolicy(broker, { filter: 'counts/#', maxCount: MAX_COUNT })
  await putPolicy(broker, { filter: 'kept/#', maxCount: 1 })
  await putPolicy(broker, { filter: 'keys/#', isCompacted: true, tombstoneMs: 200 })
  await putPolicy(broker, { filter: 'jobs/#', isAckedRemoved: true })
  await retain(url)

  const ledger = new Ledger()
  const deliveries = new Deliveries()
  const stop = new AbortController()
  const counted = new CountedTopics()
  const keyed = new KeyedTopics(seed)
  const jobs = new JobTopics(seed)
  const finishJobs = await jobs.subscribe(url)
  const consumer = consumeDurably(url, 1, deliveries)
  const working = [
    ...Array.from({ length: PRODUCERS }, (_, i) => produce(url, `p${i}`, 1, ledger, stop.signal)),
    counted.run(url, stop.signal),
    keyed.run(url, stop.signal),
    finishJobs(stop.signal),
  ]
  let killedStarting = 0
  let racedTombstones = 0
  const cleanedNames = new Set<string>()
  /** Whether the cleaner has written segments that were not there before. */
  const sawCleaned = () => {
    const before = cleanedNames.size
    for (const name of segmentNames(broker.dataDirectory)) if (/\.\d+\.log$/.test(name)) cleanedNames.add(name)
    return cleanedNames.size > before
  }

  /** Holds what is stored against what was acknowledged, while everything goes on. */
  const check = async (when: string) => {
    const offsets = counted.offsets()
    expect(counted.audit(await readMessages(url, 'counts/#'), MAX_COUNT, offsets), `counts ${when}`).toEqual({
      lost: 0,
      tooFew: 0,
      doubled: 0,
    })
    const pending = jobs.pending()
    expect(jobs.lost(await readAll(url, 'jobs/#'), pending), `jobs ${when}`).toBe(0)
    const lastAcked = keyed.lastAcked()
    const found = keyed.audit(await readMessages(url, 'keys/#'), lastAcked)
    // A reader may pass a value before it is removed, and the place of its tombstone after that has gone: whoever reads again does not see it.
    if (found.stale > 0) racedTombstones++
    const again = found.stale > 0 ? keyed.audit(await readMessages(url, 'keys/#'), lastAcked) : found
    expect(again, `keys ${when}`).toEqual({ stale: 0, lost: 0, outOfOrder: 0 })
    for (let i = 0; i < RETAINED; i++)
      expect(await readAll(url, `kept/${i}`), `retained ${when}`).toEqual([`retained ${i}`])
  }

  for (let round = 0; round < ROUNDS; round++) {
    // However slow the machine is: every other kill comes when the cleaner is at work.
    const cleanedByMs = Date.now() + 10_000
    while (round % 2 === 1 && !sawCleaned() && Date.now() < cleanedByMs) await delay(5)
    await delay(50 + random.below(350))
    await broker.kill()
    sawCleaned()
    for (let starts = random.below(3); starts > 0; starts--)
      if (!(await broker.restartAndKill(random.below(150) * (random.chance(0.5) ? 1 : 3)))) killedStarting++
    await broker.restart()
    if (round % 4 === 3) await check(`in round ${round}, seed ${seed}`)
  }
  await delay(300)
  stop.abort()
  await Promise.all(working)
  await check(`at the end, seed ${seed}`)
  const stored = await readAll(url, 'load/#')
  const { missedEvents } = await consumer.finish(stored.length)
  const audit = ledger.audit(stored)
  const { count, doubled, outOfOrder } = deliveries
  const missed = deliveries.missing(stored)
  const countOf = async (filter: string) => (await readMessages(url, filter)).length
  const endMs = Date.now() + SETTLED_WITHIN_MS
  while (
    Date.now() < endMs &&
    ((await countOf('counts/#')) > MAX_COUNT + BATCH_MAX || cleaningReport(broker).turns === 0)
  )
    await delay(100)
  await check(`after the last turns, seed ${seed}`)
  const [countsStored, keysStored, jobsStored] = await Promise.all(['counts/#', 'keys/#', 'jobs/#'].map(countOf))
  const retained = await retainedTexts(url)
  await broker.kill()
  const report = cleaningReport(broker)
  const verified = await gomqctl(broker, ['log', 'verify', broker.dataDirectory])
  await broker.restart()
  const again = await readAll(url, 'load/#')
  const acked = ledger.count('acked') + counted.acked + keyed.acked + jobs.published

  console.log(
    `kill -9 and cleaning (seed ${seed}): ${ROUNDS} rounds, ${killedStarting} more kills before the broker was ready; ${acked} acked in all\n` +
      `kept for ever: ${ledger.count('acked')} acked, ${ledger.count('unknown')} unknown, stored ${audit.stored}, lost ${audit.lost}, ` +
      `doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; durable consumer: ${count} received, ${missed} missed, ${doubled} doubled, ${outOfOrder} out of order\n` +
      `maxCount: ${counted.acked} acked, ${countsStored} there; compacted: ${keyed.acked} acked, ${keysStored} there, ${racedTombstones} reads passed a tombstone that went; ` +
      `acked: ${jobs.published} published, ${jobsStored} there, ${jobs.deliveries.doubled} doubled\n` +
      `cleaned: ${cleanedNames.size} different cleaned segments met at kills, ${JSON.stringify(report)}`,
  )
  expect(audit).toMatchObject({
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    refusedButStored: 0,
    unheardOf: 0,
    firstLost: '',
  })
  expect({ missed, doubled, outOfOrder, missedEvents }, 'at the durable consumer').toEqual({
    missed: 0,
    doubled: 0,
    outOfOrder: 0,
    missedEvents: 0,
  })
  expect(
    [jobs.undelivered(), jobs.deliveries.doubled, jobs.deliveries.outOfOrder, jobs.missedEvents, jobs.pending().length],
    'at the worker: undelivered, doubled, out of order, missed, unacknowledged',
  ).toEqual([0, 0, 0, 0, 0])
  expect(retained, 'retained messages reach a new subscriber').toEqual(
    Array.from({ length: RETAINED }, (_, i) => `retained ${i}`),
  )
  // What a kill leaves of a swap is harmless.
  expect(verified.code, verified.stdout).toBe(0)
  expect(verified.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('harmless'))).toEqual([])
  expect(again, 'the same after another kill').toEqual(stored)

  expect(cleanedNames.size, 'a run that hardly cleans proves nothing').toBeGreaterThanOrEqual(ROUNDS / 2)
  expect(report.turns).toBeGreaterThan(0)
  expect(report.removedBytes).toBeGreaterThan(0)
  expect(countsStored).toBeLessThanOrEqual(MAX_COUNT + BATCH_MAX)
  expect(keysStored).toBeLessThan(keyed.acked)
  expect(jobsStored).toBeLessThan(jobs.published)
  expect(killedStarting).toBeGreaterThan(0)
}, 1_800_000)

/** A retained message on each of some topics, and others behind them, so that they are long below the floor. */
async function retain(url: string): Promise<void> {
  await using mq = await connect(url)
  for (let i = 0; i < RETAINED; i++) await mq.publish(`kept/${i}`, `retained ${i}`, { retain: true })
  await mq.publishAll('kept/others', ['a', 'b', 'c'])
}

async function retainedTexts(url: string): Promise<string[]> {
  await using mq = await connect(url)
  const subscription = await mq.subscribe('kept/+')
  const texts: string[] = []
  for await (const message of subscription) if (texts.push(message.text) === RETAINED) break
  return texts.sort((a, b) => Number(a.slice(9)) - Number(b.slice(9)))
}
