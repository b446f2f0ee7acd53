import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { CountedTopics, JobTopics, KeyedTopics, RetainedTopics } from './support/cleaned-load.js'
import { cleaningReport, logStartOf, putPolicy, segmentNames } from './support/cleaning-report.js'
import { Deliveries, ONCE_IN_ORDER } from './support/deliveries.js'
import { AIMS, killAt, momentOf } from './support/kill-moments.js'
import { consumeDurably, delay, Gate, produce } from './support/killed-load.js'
import { Ledger, NOTHING_WRONG } from './support/ledger.js'
import { readAll, readMessages } from './support/read-all.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const ROUNDS = Number(process.env['GOMQ_ROUNDS'] ?? (isLong ? 200 : 3))
/** Rounds go on until so much is acknowledged. */
const ACKED_MIN = ROUNDS * (isLong ? 5_000 : 500)
const seed = Number(process.env['GOMQ_SEED'] ?? 20_262)
const MAX_COUNT = 500
const RETAINED = 10
/** The rest of a batch that reaches above the floor stays. */
const BATCH_MAX = 200
/** How long turns may take until everything is removed that is to go. */
const SETTLED_WITHIN_MS = 120_000
/** Segments of which rounds begin with at most so many, now and then. */
const SEGMENTS_MAX = 40
/** How long a kill waits for the moment that it is aimed at. */
const AIMED_WITHIN_MS = 10_000
/** As often as it can be: some segments, snapshots and turns of the cleaner in each round. */
const ARGS = ['--segment-bytes', '64KiB', '--snapshot-interval-bytes', '64KiB', '--clean-interval-ms', '10']
/** What the rounds are aimed at, in turn; those without an aim come at any moment. */
const ROUND_AIMS = ['swap', 'snapshot', undefined, 'rewrite', 'removal', 'roll', undefined, 'checkpoint'] as const

test(`kill -9 at ${ROUNDS} moments of appends, cleaning, snapshots, rolls and start-up itself: retention and compaction take what the policies say and nothing else`, async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start({ args: ARGS })
  const { url } = broker
  await putPolicy(broker, { filter: 'counts/#', maxCount: MAX_COUNT })
  await putPolicy(broker, { filter: 'kept/#', maxCount: 1 })
  await putPolicy(broker, { filter: 'keys/#', isCompacted: true, tombstoneMs: 200 })
  // Nothing is kept for ever, so that the log's start moves.
  for (const filter of ['jobs/#', 'load/#']) await putPolicy(broker, { filter, isAckedRemoved: true })

  const ledger = new Ledger()
  const stop = new AbortController()
  const gate = new Gate()
  const counted = new CountedTopics()
  const keyed = new KeyedTopics(seed)
  const jobs = new JobTopics(seed)
  const retained = new RetainedTopics(RETAINED)
  await retained.publish(url)
  const finishJobs = await jobs.subscribe(url)
  const consumers = ([1, 2] as const).map((qos) => {
    const deliveries = new Deliveries()
    return { qos, deliveries, ...consumeDurably(url, qos, deliveries, `auditor-${qos}`) }
  })
  for (const { ready } of consumers) await ready
  const working = [
    ...([1, 2, 1] as const).map((qos, i) => produce(url, `p${i}`, qos, ledger, stop.signal, { gate })),
    counted.run(url, stop.signal, gate),
    keyed.run(url, stop.signal, gate),
    finishJobs(stop.signal, gate),
  ]
  let failure: unknown
  for (const work of working) work.catch((error: unknown) => (failure ??= error))
  const acked = () => ledger.count('acked') + counted.acked + keyed.acked + jobs.published
  const hits = new Map<string, number>()
  const hit = (what: string) => hits.set(what, (hits.get(what) ?? 0) + 1)
  let racedTombstones = 0
  let logStart = 0
  let logEnd = 0

  /** Looks at what a kill left: harmless things only. */
  const autopsy = async (when: string, isStarting: boolean) => {
    const { doing, isInside, verification, damage } = await momentOf(broker)
    expect(damage, `${when}, seed ${seed}`).toEqual([])
    expect(verification.logStartOffset, `${when}, seed ${seed}`).toBeGreaterThanOrEqual(logStart)
    if (verification.logStartOffset > logStart) hit('moves of the start')
    logStart = verification.logStartOffset
    // Somebody always publishes: a broker that has appended since the last kill was killed while it did.
    if (!isStarting && verification.logEndOffset > logEnd) hit('append')
    logEnd = verification.logEndOffset
    if (isStarting) hit(isInside ? 'starting, inside' : 'starting, before')
    // What lies there of an earlier kill is not what this one hit.
    if (!isStarting || isInside) for (const what of doing) hit(isStarting ? `starting, ${what}` : what)
  }

  /** Holds what is stored against what was acknowledged, while everything goes on. */
  const check = async (when: string) => {
    const counts = await counted.audit(url, MAX_COUNT)
    expect(counts, `counts ${when}`).toEqual({ newestLost: 0, lost: 0, doubled: 0 })
    const pending = jobs.pending()
    expect(jobs.lost(await readAll(url, 'jobs/#'), pending), `jobs ${when}`).toBe(0)
    const lastAcked = keyed.lastAcked()
    const found = keyed.audit(await readMessages(url, 'keys/#'), lastAcked)
    // A reader may pass a value before it is removed, and the place of its tombstone after that has gone: whoever reads again does not see it.
    if (found.stale > 0) racedTombstones++
    const again = found.stale > 0 ? keyed.audit(await readMessages(url, 'keys/#'), lastAcked) : found
    expect(again, `keys ${when}`).toEqual({ stale: 0, lost: 0, outOfOrder: 0 })
    expect(await retained.received(url), `retained ${when}`).toEqual(retained.texts)
  }

  // A first connection is not tried again, and the snapshots' folder is watched.
  const isWorking = () =>
    [ledger.count('acked'), counted.acked, keyed.acked, jobs.published].every((count) => count > 0) &&
    existsSync(join(broker.dataDirectory, 'snapshots'))
  while (!isWorking()) await delay(5)
  /** The cleaner keeps up as far as its budget goes, so that starts and looks at the files stay quick. */
  const catchUp = async () => {
    gate.isClosed = true
    const count = () => segmentNames(broker.dataDirectory).length
    for (let before = Number.POSITIVE_INFINITY; count() > SEGMENTS_MAX && count() < before; ) {
      before = count()
      await delay(1_000)
    }
    gate.isClosed = false
  }
  const hitsOf = (...what: string[]) => what.reduce((sum, each) => sum + (hits.get(each) ?? 0), 0)
  const atLeast = Math.max(1, Math.floor(ROUNDS / 20))
  // A run that hardly publishes, or is not killed in a cleaning, proves nothing: it goes on.
  const isTelling = () => acked() >= ACKED_MIN && hitsOf('rewrite', 'swap', 'start moves') >= atLeast
  let round = 0
  for (; round < ROUNDS || (!isTelling() && round < 4 * ROUNDS); round++) {
    if (failure !== undefined) throw failure
    const aim = ROUND_AIMS[round % ROUND_AIMS.length]
    const laterMs = random.chance(0.5) ? 0 : random.below(8)
    if (aim === undefined) {
      await delay(50 + random.below(350))
      await broker.kill()
    } else if (!(await killAt(broker, AIMS[aim], laterMs, AIMED_WITHIN_MS))) hit(`no ${aim} to aim at`)
    await autopsy(`round ${round}`, false)
    for (let starts = random.below(3) + (isLong ? 0 : 1); starts > 0; starts--) {
      const aimless = () => delay(random.below(300)).then(() => broker.kill())
      const aimed = () => killAt(broker, AIMS.start, random.below(60), AIMED_WITHIN_MS)
      const isStarting = !(await broker.restartAndKill(random.chance(0.5) ? aimless : aimed))
      await autopsy(`round ${round}, at a start`, isStarting)
    }
    await broker.restart()
    if (round % 2 === 1) await catchUp()
    if (round % 4 === 3) await check(`in round ${round}, seed ${seed}`)
    if (round % 4 === 1) await retained.publish(url)
    if (round % 10 === 9) console.log(`${round + 1} rounds, ${acked()} acked, hits ${JSON.stringify([...hits])}`)
  }
  await delay(300)
  // As much may be rewritten as is appended: the cleaner gets to the log's beginning while somebody publishes.
  const startMovedByMs = Date.now() + SETTLED_WITHIN_MS
  while (logStartOf(broker.dataDirectory) === 0 && Date.now() < startMovedByMs) await delay(20)
  stop.abort()
  await Promise.all(working)
  await publishLast(url, ledger)
  const finished = await Promise.all(consumers.map(({ finish, deliveries }) => finish(() => deliveries.has(LAST))))
  await check(`at the end, seed ${seed}`)
  const countOf = async (filter: string) => (await readMessages(url, filter)).length
  const endMs = Date.now() + SETTLED_WITHIN_MS
  const isSettled = async () =>
    (await countOf('counts/#')) <= MAX_COUNT + BATCH_MAX && cleaningReport(broker).removedBytes > 0
  while (!(await isSettled()) && Date.now() < endMs) await delay(100)
  await check(`after the last turns, seed ${seed}`)
  const left = await Promise.all(['counts/#', 'keys/#', 'jobs/#', 'load/#'].map(countOf))
  const report = cleaningReport(broker)
  await broker.kill()
  await autopsy('the last kill', false)
  await broker.restart()
  await check(`after the last start, seed ${seed}`)

  const audits = consumers.map(({ deliveries }) => ledger.audit(deliveries.received))
  const undelivered = [jobs.undelivered(), jobs.deliveries.doubled, jobs.deliveries.outOfOrder, jobs.missedEvents]
  console.log(
    `kill -9 and cleaning (seed ${seed}): ${round} rounds, ${acked()} acked in all (${ledger.count('acked')} to durable consumers, ` +
      `${counted.acked} counted, ${keyed.acked} compacted, ${jobs.published} jobs), ${ledger.count('unknown')} unknown\n` +
      `durable consumers: ${audits.map((audit) => JSON.stringify(audit)).join(' ')}; jobs undelivered, doubled, out of order, missed: ${undelivered}\n` +
      `left of counts, keys, jobs, load: ${left}; newest ${MAX_COUNT}, pending jobs, last values, ${RETAINED} retained: all there; ` +
      `${racedTombstones} reads passed a tombstone that went\n` +
      `kills hit: ${[...hits].map(([what, times]) => `${what} ${times}`).join(', ')}; the log begins at ${logStart}; ${JSON.stringify(report)}`,
  )
  for (const [i, { qos, deliveries }] of consumers.entries()) {
    expect(audits[i], `at the consumer of QoS ${qos}; seed ${seed}`).toMatchObject(NOTHING_WRONG)
    expect(deliveries.audit([LAST]), `at the consumer of QoS ${qos}; seed ${seed}`).toEqual(ONCE_IN_ORDER)
    expect(finished[i]).toEqual({ missedEvents: 0 })
  }
  expect([...undelivered, jobs.pending().length], 'at the worker').toEqual([0, 0, 0, 0, 0])

  // A run that hardly publishes, cleans or is killed at the right moments proves nothing.
  expect(acked()).toBeGreaterThanOrEqual(ACKED_MIN)
  expect(hitsOf('rewrite', 'swap', 'start moves'), 'kills in a cleaning').toBeGreaterThanOrEqual(atLeast)
  expect(hitsOf('starting, before', 'starting, inside'), 'kills in a start').toBeGreaterThanOrEqual(atLeast)
  expect(hitsOf('moves of the start')).toBeGreaterThanOrEqual(atLeast)
  if (isLong)
    for (const what of ['append', 'rewrite', 'swap', 'roll', 'snapshot', 'starting, inside'])
      expect(hitsOf(what), what).toBeGreaterThanOrEqual(Math.floor(ROUNDS / 40))
  expect(report.turns).toBeGreaterThanOrEqual(ROUNDS / 4)
  expect(left[0]).toBeLessThanOrEqual(MAX_COUNT + BATCH_MAX)
  expect(left[1]).toBeLessThan(keyed.acked)
  expect(left[2]).toBeLessThan(jobs.published)
  expect(left[3]).toBeLessThan(ledger.count('acked'))
}, 3_600_000)

/** What comes behind everything else that the consumers get. */
const LAST = 'last:0'

async function publishLast(url: string, ledger: Ledger): Promise<void> {
  await using mq = await connect(url)
  await mq.publish('load/last', LAST, { qos: 2 })
  ledger.settle('last', 0, 'acked')
}
