import { GomqError } from '@gomq/client'
import { describe, expect, test } from 'vitest'
import { BenchConsumer } from '../../src/bench/bench-consumer.js'
import type { LoadPlan } from '../../src/bench/bench-plan.js'
import type { BenchProducer } from '../../src/bench/bench-producer.js'
import { loadReport } from '../../src/bench/bench-report.js'
import { Histogram } from '../../src/bench/histogram.js'
import { Meter } from '../../src/bench/meter.js'
import type { LoadOutcome } from '../../src/bench/run-load.js'
import { Stamp } from '../../src/bench/stamp.js'

const PLAN: LoadPlan = {
  ...{
    kind: 'e2e',
    run: 7,
    topic: 't',
    topics: ['t'],
    filter: 't',
    qos: 1,
    sizeBytes: 100,
    producers: 1,
    consumers: 1,
  },
  ...{ ratePerSec: 0, isPrecise: false, window: 10, messages: 5, durationMs: 10_000, warmupShare: 0.1 },
}
const CONTEXT = { gomqctlVersion: '1.2.3', nodeVersion: 'v20', reconnects: 0, compression: 'none', brokersInSync: 3 }

function producer(durabilities: readonly string[], published = 0, acked = 0, failed: readonly number[] = []) {
  const histograms = { latency: new Histogram(), lateness: new Histogram() }
  const counts = { published, ackedCount: acked, failed: new Set(failed), durabilities: new Set(durabilities) }
  return { ...histograms, ...counts, acked: new Meter() } as unknown as BenchProducer
}

function outcomeOf(given: Partial<LoadOutcome>): LoadOutcome {
  return {
    ...{ producers: [], consumers: [], broker: { id: 'gomq-1', version: '1.2.0', epoch: 1 }, isInterrupted: false },
    ...{ endMessages: 1, isComplete: true, removedSubscriptions: 1, leftSubscriptions: [], failure: undefined },
    ...given,
  }
}

describe('what an acknowledgement means', () => {
  const levelOf = (durabilities: readonly string[], qos: 0 | 1 = 1, brokersInSync: number | null = 3) => {
    const outcome = outcomeOf({ producers: [producer(durabilities)] })
    return loadReport({ ...PLAN, qos }, outcome, { ...CONTEXT, brokersInSync }).acknowledgement
  }

  test('is what the broker says in it, and of two levels the weaker one', () => {
    expect(levelOf(['synced'])).toMatchObject({
      level: 'synced',
      brokers: 1,
      meaning: expect.stringContaining('fsync'),
    })
    expect(levelOf(['replicated', 'synced']).level).toBe('synced')
    expect(levelOf(['synced', 'written'])).toMatchObject({
      level: 'written',
      meaning: expect.stringContaining('not synced'),
    })
    expect(levelOf([])).toMatchObject({ level: 'unknown' })
  })

  test('names the brokers that have it, as far as that is known', () => {
    expect(levelOf(['replicated'])).toMatchObject({ level: 'replicated', brokers: 3 })
    const { brokers, meaning } = levelOf(['replicated'], 1, null)
    expect([brokers, meaning.includes('not known')]).toEqual([null, true])
  })

  test('is nothing for QoS 0, whatever the client says', () => {
    expect(levelOf(['written'], 0)).toMatchObject({ level: 'none', brokers: null })
  })
})

describe('a report', () => {
  const consumer = new BenchConsumer(7, 1, () => 100)
  for (const sequence of [0, 1, 1, 3]) {
    const bytes = new Uint8Array(100)
    new Stamp().write(bytes, 7, 0, sequence, 50)
    consumer.handle({ bytes })
  }
  const outcome = outcomeOf({ producers: [producer(['synced'], 5, 4, [4])], consumers: [consumer] })

  test('counts what is missing and doubled; what was not acknowledged may be missing', () => {
    const { received, published } = loadReport(PLAN, outcome, CONTEXT)
    expect(received!.consumers).toMatchObject([{ received: 3, missing: 1, doubled: 1, foreign: 0 }])
    expect(published).toMatchObject({ handedOver: 5, acked: 4, failed: 1 })
  })

  test('calls nothing missing that was not waited for', () => {
    const early = { ...outcome, isComplete: false, isInterrupted: true }
    expect(loadReport(PLAN, early, CONTEXT).received!.consumers).toMatchObject([{ missing: null }])
  })

  test('says what stays in the log: nothing of QoS 0', () => {
    expect(loadReport(PLAN, outcome, CONTEXT).written).toEqual({
      ...{ topic: 't', messages: 5, uncertain: 1, payloadBytes: 400 },
    })
    expect(loadReport({ ...PLAN, qos: 0 }, outcome, CONTEXT).written).toMatchObject({ messages: 0, uncertain: 0 })
  })

  test('has no latencies where none were measured, and why it failed', () => {
    const failed = { ...outcome, consumers: [], failure: new GomqError('TIMEOUT', 'late') }
    const report = loadReport(PLAN, failed, CONTEXT)
    expect(report).not.toHaveProperty('ackLatencyMs')
    expect(report).not.toHaveProperty('received')
    expect(report.failure).toEqual({ code: 'TIMEOUT', message: 'late' })
  })
})
