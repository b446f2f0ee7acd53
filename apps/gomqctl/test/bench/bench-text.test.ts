import { describe, expect, test } from 'vitest'
import type { BenchReport, LatencyReport } from '../../src/bench/bench-report.js'
import { percentilePlot, reportLines, reportTables } from '../../src/bench/bench-text.js'

const LATENCY: LatencyReport = { count: 900, p50: 1, p90: 2, p99: 10, 'p99.9': 50, 'p99.99': 100, max: 100 }
const RATE = { messages: 900, ms: 2000, messagesPerSec: 450, bytesPerSec: 1024 * 1024 }
const REPORT: BenchReport = {
  bench: 'latency',
  versions: { gomqctl: '1.2.3', gomq: '1.2.0', node: 'v20.0.0' },
  brokerId: 'gomq-1',
  acknowledgement: { level: 'synced', meaning: 'on disk', brokers: 1 },
  settings: {
    ...{ topic: 'bench/1', topics: 1, qos: 1, payloadBytes: 100, producers: 1, consumers: 1, ratePerSec: 1000 },
    ...{ window: 10, messages: 1000, durationMs: null, warmup: 0.1, compression: 'none' },
  },
  published: { ...RATE, handedOver: 1000, acked: 1000, failed: 0 },
  received: { ...RATE, consumers: [{ ...RATE, received: 1000, missing: 2, doubled: 1, foreign: 0 }] },
  latencyFrom: 'schedule',
  ackLatencyMs: LATENCY,
  written: { topic: 'bench/1', messages: 1001, uncertain: 0, payloadBytes: 1024 * 1024 },
  removedSubscriptions: 1,
  reconnects: 0,
  isInterrupted: false,
  failure: null,
}

describe('the plot of percentiles', () => {
  test('has bars on a logarithmic scale of whole decades', () => {
    const bars = (columns: number) => '#'.repeat(columns)
    expect(percentilePlot('to ack', LATENCY)).toBe(
      [
        'LATENCY to ack, 0.1 to 100 ms, logarithmic',
        `p50          1.000 ms  ${bars(13)}`,
        `p90          2.000 ms  ${bars(17)}`,
        `p99         10.000 ms  ${bars(27)}`,
        `p99.9       50.000 ms  ${bars(36)}`,
        `p99.99     100.000 ms  ${bars(40)}`,
        `max        100.000 ms  ${bars(40)}`,
      ].join('\n'),
    )
  })

  test('holds latencies that are all the same, also zeros', () => {
    const zeros: LatencyReport = { count: 1, p50: 0, p90: 0, p99: 0, 'p99.9': 0, 'p99.99': 0, max: 0 }
    expect(percentilePlot('to ack', zeros)).toContain('0.0001 to 0.001 ms')
  })
})

describe('a report', () => {
  test('is tables and a plot for a person', () => {
    const text = reportTables(REPORT)
    expect(text).toMatch(/^BENCH +LATENCY$/m)
    expect(text).toMatch(/^acknowledged +synced: on disk$/m)
    expect(text).toMatch(/^published +450 messages\/s, 1\.00 MiB\/s \(900 messages in 2\.000 s\)$/m)
    expect(text).toMatch(/^LATENCY MS +P50 +P90 +P99 +P99\.9 +P99\.99 +MAX$/m)
    expect(text).toMatch(/^to ack +1\.000 +2\.000 +10\.000 +50\.000 +100\.000 +100\.000$/m)
    expect(text).toContain('LATENCY to ack, 0.1 to 100 ms')
    expect(reportTables({ ...REPORT, bench: 'e2e' })).not.toContain('logarithmic')
  })

  test('is a name and a value a line for a pipe', () => {
    const rows = reportLines(REPORT)
      .split('\n')
      .map((line) => line.split('\t'))
    for (const row of rows) expect(row).toHaveLength(2)
    expect(Object.fromEntries(rows)).toMatchObject({
      bench: 'latency',
      QoS: '1',
      payload: '100 B',
      rate: '1000/s',
      'warm-up': '10 %, not measured',
      missing: '2',
      doubled: '1',
      'latency from': 'when it was to be sent',
      'stays in the log': '1001 messages, 1.0 MiB of payload, in bench/1, until a policy lets them go',
      'to ack p99.9 ms': '50.000',
    })
  })

  test('says what was not waited for, measured or acknowledged', () => {
    const early: BenchReport = {
      ...REPORT,
      acknowledgement: { level: 'none', meaning: 'QoS 0', brokers: null },
      published: { ...RATE, messages: 0, handedOver: 10, acked: 8, failed: 2 },
      received: { ...RATE, consumers: [{ ...RATE, received: 8, missing: null, doubled: 0, foreign: 3 }] },
      written: { topic: 'bench/1', messages: 8, uncertain: 2, payloadBytes: 0 },
      isInterrupted: true,
    }
    const text = reportLines(early)
    expect(text).toContain('published\tnothing beyond the warm-up')
    expect(text).toContain('missing\tnot waited for')
    expect(text).toContain('of others\t3')
    expect(text).toContain('and up to 2 that were not acknowledged')
    expect(text).toContain('interrupted\tyes')
    expect(text).toContain('to the socket p50 ms')
  })
})
