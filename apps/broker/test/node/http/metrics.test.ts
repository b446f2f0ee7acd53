import { describe, expect, test } from 'vitest'
import { METRICS, Metrics } from '../../../src/node/http/metrics.js'
import { startBroker } from '../../harness/broker-process.js'

/** `name value` of each line that is no comment. */
function samplesOf(text: string): Map<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

describe('GET /metrics', () => {
  test('has every number of the broker, under a name of its own, and those of the process', async () => {
    const started = await startBroker()
    const { broker } = started
    const answer = await fetch(`http://127.0.0.1:${started.http!.port}/metrics`)
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ])
    const text = await answer.text()
    const samples = samplesOf(text)
    for (const [stat, value] of Object.entries(broker.stats)) {
      expect(METRICS, 'a statistic without a metric').toHaveProperty(stat)
      const { name } = METRICS[stat]!
      expect(samples.has(name), name).toBe(true)
      if (stat === 'highWatermark') expect(samples.get(name)).toBe(value)
      expect(text).toContain(`# TYPE ${name} ${name.endsWith('_total') ? 'counter' : 'gauge'}`)
    }
    expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(0)
    expect(
      [...samples.keys()].filter((name) => name.startsWith('gomq_cluster')),
      'of a broker alone',
    ).toEqual([])
  })

  test('tells of the cluster, and how far each broker is behind', async () => {
    const stats = {
      clusterRole: 2,
      epoch: 7,
      logEndOffset: 120,
      elections: 3,
      inSyncBrokers: 2,
      'lag.b2': 0,
      'lag.b3': 40,
    }
    const samples = samplesOf(await new Metrics(() => stats).text())
    expect(Object.fromEntries([...samples].filter(([name]) => name.startsWith('gomq_')))).toEqual({
      gomq_log_end_offset: 120,
      gomq_cluster_role: 2,
      gomq_cluster_epoch: 7,
      gomq_elections_total: 3,
      gomq_in_sync_brokers: 2,
      'gomq_replica_lag{broker="b2"}': 0,
      'gomq_replica_lag{broker="b3"}': 40,
    })
  })

  test('a name, and what it counts, stand once', () => {
    const names = Object.values(METRICS).map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    for (const { name, isCount } of Object.values(METRICS)) expect(name.endsWith('_total')).toBe(isCount === true)
  })
})
