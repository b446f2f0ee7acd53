import { cpSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { AckGaps } from './ack-gaps.js'
import { ClusterNetwork } from './cluster-network.js'
import { type ClusterOptions, ClusterProcesses } from './cluster-processes.js'
import { Deliveries, ONCE_IN_ORDER } from './deliveries.js'
import { consumeDurably, delay, produce } from './killed-load.js'
import { NOTHING_WRONG } from './ledger.js'
import { compareLogs } from './member-logs.js'
import { readAll } from './read-all.js'

const PRODUCERS = 3
/** Keeps the load below what the machine can do, so that faults are measured and not its scheduler. */
const REST_MS = 25

/** What faults have to work with. */
export interface Surviving {
  readonly cluster: ClusterProcesses
  readonly network: ClusterNetwork
  readonly gaps: AckGaps
  /** More about the run, for its line. */
  note(text: string): void
}

/** How a cluster is to survive. */
export interface SurvivalOptions {
  readonly qos: 1 | 2
  /** The ways between the processes lead through proxies. */
  readonly hasNetwork?: boolean
  readonly seed?: number
  /** The cluster, where it is not three brokers with their defaults over one etcd. */
  readonly cluster?: Omit<ClusterOptions, 'network'>
}

/**
 * Load on a cluster while `faults` happen. Afterwards everything is held against what was promised: what was acked is stored once and in order, a durable
 * consumer got it once and in order, and all members hold the same. If not, logs and histories are kept.
 */
export async function survive(
  name: string,
  { qos, hasNetwork = false, seed = 0, cluster: options = {} }: SurvivalOptions,
  faults: (surviving: Surviving) => Promise<void>,
): Promise<AckGaps> {
  await using network = new ClusterNetwork()
  await using cluster = await ClusterProcesses.start(hasNetwork ? { ...options, network } : options)
  const gaps = new AckGaps()
  const deliveries = new Deliveries()
  const stop = new AbortController()
  const notes: string[] = []
  const rejections = new Set<string>()
  const producers = Array.from({ length: PRODUCERS }, (_, i) =>
    produce(cluster.urls, `p${i}`, qos, gaps, stop.signal, {
      restMs: REST_MS,
      onRejected: (error) => void rejections.add(String(error)),
    }),
  )
  const consumer = consumeDurably(cluster.urls, qos, deliveries)
  let stored: string[] = []
  try {
    await gaps.nextAck()
    await faults({ cluster, network, gaps, note: (text) => void notes.push(text) })
    network.heal()
    await cluster.settled()
    await delay(500)
    stop.abort()
    await Promise.all(producers)
    stored = await readAll(cluster.urls, 'load/#')
    await consumer.finish(() => deliveries.count >= stored.length)
    const { highWatermark } = await cluster.settled()
    await Promise.all(cluster.brokers.map((broker) => broker.stop()))
    const logs = await compareLogs(
      cluster.brokers.map(({ dataDirectory }) => dataDirectory),
      highWatermark,
    )
    const audit = gaps.audit(stored)
    const delivered = deliveries.audit(stored)
    if (rejections.size > 0) notes.push(`rejected: ${[...rejections].join(' | ')}`)
    const { lost, duplicated, outOfOrder } = audit
    console.log(
      `${name}, QoS ${qos}, seed ${seed}: ${gaps.count('acked')} acked, ${gaps.count('unknown')} unknown, ${gaps.count('refused')} refused; ` +
        `lost ${lost}, doubled ${duplicated}, out of order ${outOfOrder}; consumer: ${delivered.missed} missed, ${delivered.doubled} doubled, ` +
        `${delivered.outOfOrder} out of order; ${logs.batches} batches on each member, ${logs.difference ?? 'the same'}; ${gaps.summary}` +
        (notes.length > 0 ? `; ${notes.join('; ')}` : ''),
    )
    expect(audit, `seed ${seed}`).toMatchObject(NOTHING_WRONG)
    expect(delivered, `at the durable consumer; seed ${seed}`).toEqual(ONCE_IN_ORDER)
    expect(logs.difference, `seed ${seed}`).toBeUndefined()
    expect(gaps.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(100)
    return gaps
  } catch (error) {
    const directory = mkdtempSync(join(tmpdir(), 'gomq-failed-'))
    for (const [i, broker] of cluster.brokers.entries()) {
      writeFileSync(join(directory, `b${i + 1}.log`), broker.stderr)
      cpSync(broker.dataDirectory, join(directory, `b${i + 1}`), { recursive: true, errorOnExist: false, force: true })
    }
    writeFileSync(join(directory, 'stored.txt'), stored.join('\n'))
    writeFileSync(join(directory, 'delivered.txt'), deliveries.received.join('\n'))
    console.log(`${name}, QoS ${qos}, seed ${seed} FAILED; ${notes.join('; ')}; the history is kept in ${directory}`)
    throw error
  } finally {
    stop.abort()
  }
}
