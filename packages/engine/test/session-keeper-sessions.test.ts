import { epoch, type Offset, PacketType, stampLeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { encodeControlBatch } from '../src/control-record.js'
import { SESSION_EXPIRY_SEC_MAX, SESSIONS_MAX } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

/** A bench whose client `c` has one durable subscription, and is away. */
function withSession(sessionExpirySec: number): EngineBench {
  const bench = new EngineBench()
  bench.connect(1, 'c', { sessionExpirySec })
  bench.subscribe(1, 1, ['a'], { name: 's' })
  bench.commitAll()
  bench.lose(1)
  bench.commitAll()
  return bench
}

function sessionPresent(bench: EngineBench, connectionId: number, cleanSession = false): boolean | undefined {
  bench.connect(connectionId, 'c', { cleanSession })
  return bench.takeConnack(connectionId)?.sessionPresent
}

describe('[MQTT-3.2.2-2] session present says whether the broker keeps anything for the client id', () => {
  test('nothing is kept for a new client id, nor for one that left nothing behind', () => {
    const bench = new EngineBench()
    expect(sessionPresent(bench, 1)).toBe(false)
    bench.lose(1)
    expect(sessionPresent(bench, 2)).toBe(false)
  })

  test('a durable subscription is kept', () => {
    expect(sessionPresent(withSession(3600), 2)).toBe(true)
  })

  test('and is still kept after a broker crash', () => {
    const bench = withSession(3600)
    bench.crash()
    expect(sessionPresent(bench, 2)).toBe(true)
  })
})

describe('a session costs records only when there is something to keep', () => {
  test('connecting, publishing, subscribing and leaving cost none', () => {
    const bench = new EngineBench()
    const batches = bench.log.length
    for (const [connectionId, clientId] of [
      [1, null],
      [2, 'c'],
    ] as const) {
      bench.connect(connectionId, clientId)
      expect(bench.takeConnack(connectionId), 'the answer waits for nothing').toBeDefined()
      bench.subscribe(connectionId, 1, ['a'])
      bench.commitAll()
      bench.lose(connectionId)
    }
    expect(bench.log.length).toBe(batches)
  })

  test('the first durable subscription brings the session into the log, in one batch with its own record', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c', { sessionExpirySec: 60 })
    const batches = bench.log.length
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.subscribe(1, 2, ['b'], { name: 't' })
    bench.commitAll()
    expect(bench.log.length).toBe(batches + 2)
    expect(bench.controlRecords().slice(1)).toMatchObject([
      { kind: 'session', clientId: 'c', expirySec: 60, will: null },
      { kind: 'subscription', name: 's' },
      { kind: 'subscription', name: 't' },
    ])
  })

  test('CONNACK waits for the commit of what it promises', () => {
    const bench = withSession(3600)
    bench.sendConnect(2, 'c')
    expect(bench.takeConnack(2)).toBeUndefined()
    bench.commitAll()
    expect(bench.takeConnack(2)?.sessionPresent).toBe(true)
  })
})

describe('a session expires', () => {
  test('once its time has passed after the connection ended, and not a millisecond earlier', () => {
    const bench = withSession(60)
    bench.pass(59_999)
    expect(bench.engine.stats).toMatchObject({ sessions: 1, durableSubscriptions: 1 })
    bench.pass(1)
    expect(bench.engine.stats).toMatchObject({ sessions: 0, durableSubscriptions: 0 })
    expect(sessionPresent(bench, 2)).toBe(false)
  })

  test('never while its client is connected', () => {
    const bench = withSession(60)
    bench.connect(2, 'c', { sessionExpirySec: 60 })
    for (let i = 0; i < 5; i++) {
      bench.pass(50_000)
      bench.packet(2, { type: PacketType.PINGREQ, requestId: bench.requestId() })
    }
    expect(bench.engine.stats).toMatchObject({ connections: 1, sessions: 1, durableSubscriptions: 1 })
  })

  test('a broker crash begins the time of those that were connected anew, and goes on with that of those that were not', () => {
    const bench = withSession(60)
    bench.connect(2, 'd', { sessionExpirySec: 60 })
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    bench.pass(30_000)
    bench.crash()
    bench.pass(29_999)
    expect(bench.engine.stats['sessions']).toBe(2)
    bench.pass(1)
    expect(bench.engine.stats['sessions']).toBe(1)
    bench.pass(29_999)
    expect(bench.engine.stats['sessions']).toBe(1)
    bench.pass(1)
    expect(bench.engine.stats['sessions']).toBe(0)
  })

  test('after a connection with an expiry of 0: with it', () => {
    const bench = withSession(0)
    expect(bench.engine.stats).toMatchObject({ sessions: 0, durableSubscriptions: 0 })
  })

  test('the last CONNECT decides how long, and the broker grants no more than 7 days', () => {
    const bench = withSession(60)
    bench.connect(2, 'c', { sessionExpirySec: 0xffff_ffff })
    expect(bench.takeConnack(2)?.sessionExpirySec).toBe(SESSION_EXPIRY_SEC_MAX)
    bench.lose(2)
    bench.commitAll()
    bench.pass(SESSION_EXPIRY_SEC_MAX * 1000 - 1)
    expect(bench.engine.stats['sessions']).toBe(1)
    bench.pass(1)
    expect(bench.engine.stats['sessions']).toBe(0)
  })

  test('a client that comes and goes leaves one deadline, not one for each time', () => {
    const bench = withSession(60)
    for (let i = 2; i < 50; i++) {
      bench.connect(i, 'c', { sessionExpirySec: 600 })
      bench.lose(i)
      bench.commitAll()
      bench.pass(10)
    }
    let ticks = 0
    const endMs = bench.nowMs + 700_000
    while ((bench.engine.nextDeadlineMs() ?? endMs) < endMs) {
      bench.nowMs = Math.max(bench.nowMs, bench.engine.nextDeadlineMs()!)
      bench.engine.handleTick(bench.nowMs)
      bench.commitAll()
      ticks++
    }
    expect(bench.engine.stats['sessions']).toBe(0)
    expect(ticks).toBeLessThan(5)
  })
})

describe('[MQTT-3.1.2-4] a clean session', () => {
  test('discards what was kept, and is told that nothing is', () => {
    const bench = withSession(3600)
    bench.publishFrom('a', ['missed'])
    expect(sessionPresent(bench, 2, true)).toBe(false)
    bench.commitAll()
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    expect(bench.takeTexts(2)).toEqual([])
  })

  test('a durable subscription of the discarded session is not resumed by SUBSCRIBE that comes at once', () => {
    const bench = withSession(3600)
    bench.connect(2, 'c', { cleanSession: true, sessionExpirySec: 0 })
    bench.commitAll()
    bench.lose(2)
    bench.commitAll()
    expect(bench.engine.stats).toMatchObject({ sessions: 0, durableSubscriptions: 0 })
  })
})

describe('sessions are bounded', () => {
  const batches: Uint8Array[] = []
  for (let i = 0, at = 0; i < SESSIONS_MAX; i += 1000, at += 1000) {
    const records = Array.from(
      { length: 1000 },
      (_, j) => ({ kind: 'session', clientId: `c${i + j}`, expirySec: 3600, will: null, willDelaySec: 0 }) as const,
    )
    const batch = encodeControlBatch(records, 1_000_000, crc32)
    stampLeader(batch, at as Offset, epoch(0), 1_000_000)
    batches.push(batch)
  }

  test(`beyond ${SESSIONS_MAX} a client with something to keep is refused, one that has a session is not`, () => {
    const bench = new EngineBench({ log: batches })
    expect(bench.engine.stats['sessions']).toBe(SESSIONS_MAX)
    bench.connect(1, 'new')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.commitAll()
    expect(bench.takeRefusal(1)).toBe('LIMIT_EXCEEDED')
    expect(bench.engine.stats).toMatchObject({ sessions: SESSIONS_MAX, durableSubscriptions: 0, subscriptions: 0 })
    bench.connect(2, 'c7')
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    expect(bench.takeRefusal(2)).toBeUndefined()
    expect(bench.engine.stats['durableSubscriptions']).toBe(1)
  })
})
