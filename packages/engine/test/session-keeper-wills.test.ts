import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { CLIENTS_LOST_GRACE_MS } from '../src/limits.js'
import { batchOf } from './support/client-batch.js'
import { EngineBench } from './support/engine-bench.js'

const LISTENER = 50

/** A bench with a subscriber of every will. */
function withListener(): EngineBench {
  const bench = new EngineBench()
  listen(bench)
  return bench
}

function listen(bench: EngineBench): void {
  bench.connect(LISTENER, null)
  bench.subscribe(LISTENER, 1, ['wills/#'], { from: { kind: 'earliest' } })
  bench.commitAll()
  bench.take(LISTENER)
}

let nextProducer = 100
function will(text: string, shape: Parameters<typeof batchOf>[2] = {}): Uint8Array {
  return batchOf('wills/c', [text], { id: nextProducer++, ...shape })
}

function wills(bench: EngineBench): string[] {
  bench.commitAll()
  return bench.takeTexts(LISTENER)
}

/** Texts of the wills that are in the log. */
function logged(bench: EngineBench): number {
  return bench.dataBatches().length
}

describe('[MQTT-3.1.2-8] the will of a connection that ends without DISCONNECT is published', () => {
  test('at once, and once', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('lost') })
    bench.lose(1)
    expect(wills(bench)).toEqual(['lost'])
    bench.lose(1)
    bench.pass(4_000_000)
    expect(wills(bench)).toEqual([])
  })

  test('also of a client without a client id, of which nothing is kept then', () => {
    const bench = withListener()
    bench.connect(1, null, { will: will('lost') })
    bench.lose(1)
    expect(wills(bench)).toEqual(['lost'])
    expect(bench.engine.stats['sessions']).toBe(0)
  })

  test('when its client breaks the protocol', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('broke it') })
    bench.packet(1, { type: PacketType.PINGRESP, requestId: 1 })
    expect(wills(bench)).toEqual(['broke it'])
  })

  test('when its client is silent for too long', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('silent'), keepAliveSec: 10 })
    bench.pass(14_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['silent'])
  })

  test('when its client leaves with a reason, and says so', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('failed') })
    bench.packet(1, { type: PacketType.DISCONNECT, code: 'INTERNAL', message: 'crashing' })
    expect(wills(bench)).toEqual(['failed'])
  })

  test('without a place in the log if it is of QoS 0, and stays for later subscribers if it is retained', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('now', { qos: 0 }) })
    bench.lose(1)
    expect(wills(bench)).toEqual(['now'])
    expect(logged(bench)).toBe(0)
    bench.connect(2, 'c', { will: will('kept', { qos: 0, retain: true }) })
    bench.lose(2)
    expect(wills(bench)).toEqual(['kept'])
    bench.subscribe(LISTENER, 2, ['wills/+'], { retained: true })
    expect(wills(bench)).toEqual(['kept'])
  })
})

test('[MQTT-3.14.4-3] a client that leaves with DISCONNECT leaves no will', () => {
  const bench = withListener()
  bench.connect(1, 'c', { will: will('never'), willDelaySec: 1 })
  bench.leave(1)
  bench.commitAll()
  bench.pass(4_000_000)
  bench.crash()
  listen(bench)
  bench.pass(4_000_000)
  expect(wills(bench)).toEqual([])
  expect(bench.engine.stats['sessions']).toBe(0)
})

describe('[MQTT-3.1.4-3] a client id has one connection', () => {
  test('the older one is told SESSION_TAKEN_OVER and closed, and its will is published once', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('older') })
    bench.connect(2, 'c', { will: will('newer') })
    expect(bench.takeRefusal(1)).toBe('SESSION_TAKEN_OVER')
    expect(bench.closed.has(1)).toBe(true)
    expect(bench.takeConnack(2)).toMatchObject({ sessionPresent: true })
    expect(wills(bench)).toEqual(['older'])
    bench.lose(1)
    expect(wills(bench)).toEqual([])
    bench.lose(2)
    expect(wills(bench)).toEqual(['newer'])
  })

  test('the older one loses its subscriptions, and the newer one gets the durable ones with what was not acknowledged', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's' })
    bench.publishFrom('a', ['m1', 'm2'])
    expect(bench.takeTexts(1)).toEqual(['m1', 'm2'])
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.commitAll()
    expect(bench.takeTexts(2)).toEqual(['m1', 'm2'])
    bench.publishFrom('a', ['m3'])
    expect(bench.takeTexts(2)).toEqual(['m3'])
    expect(bench.takeTexts(1)).toEqual([])
  })

  test('the last of several that connect at the same moment', () => {
    const bench = withListener()
    for (const id of [1, 2, 3]) bench.sendConnect(id, 'c', { will: will(`will ${id}`) })
    bench.commitAll()
    expect([1, 2].map((id) => bench.takeRefusal(id))).toEqual(['SESSION_TAKEN_OVER', 'SESSION_TAKEN_OVER'])
    expect(bench.takeConnack(3)).toBeDefined()
    expect(wills(bench), 'connections that were never let in leave no will').toEqual([])
    bench.lose(3)
    expect(wills(bench)).toEqual(['will 3'])
  })

  test('a clean session that takes over ends the delay of the will with the session', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('older'), willDelaySec: 60 })
    bench.connect(2, 'c', { cleanSession: true, sessionExpirySec: 0 })
    expect(wills(bench)).toEqual(['older'])
    bench.pass(100_000)
    expect(wills(bench)).toEqual([])
  })
})

describe('[MQTT-3.1.3-9] the delay of a will', () => {
  test('passes before it is published, and no less', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('late'), willDelaySec: 30 })
    bench.lose(1)
    bench.pass(29_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['late'])
    bench.pass(4_000_000)
    expect(wills(bench)).toEqual([])
  })

  test('ends with the session, if that expires before', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('late'), willDelaySec: 30, sessionExpirySec: 10 })
    bench.lose(1)
    bench.pass(9_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['late'])
    expect(bench.engine.stats['sessions']).toBe(0)
  })

  test('a client that comes back before its end is not announced lost', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('late'), willDelaySec: 30 })
    bench.lose(1)
    bench.pass(29_999)
    bench.connect(2, 'c')
    bench.pass(4_000_000)
    expect(wills(bench)).toEqual([])
  })

  test('a take-over within it cancels the will', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('late'), willDelaySec: 30 })
    bench.connect(2, 'c')
    bench.pass(100_000)
    expect(wills(bench)).toEqual([])
  })

  test('a client that comes back and breaks off before it is let in leaves the will that was owed', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('first'), willDelaySec: 30 })
    bench.lose(1)
    bench.commitAll()
    bench.sendConnect(2, 'c', { will: will('second'), willDelaySec: 30 })
    bench.lose(2)
    bench.commitAll()
    bench.pass(100_000)
    expect(wills(bench)).toHaveLength(1)
  })
})

describe('after a broker crash', () => {
  test('all clients count as lost: a will is due 5 s after the start, unless its client comes back', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('c lost') })
    bench.connect(2, 'd', { will: will('d lost') })
    bench.crash()
    listen(bench)
    bench.pass(CLIENTS_LOST_GRACE_MS - 1)
    expect(wills(bench)).toEqual([])
    bench.connect(3, 'd')
    bench.pass(1)
    expect(wills(bench)).toEqual(['c lost'])
    bench.pass(100_000)
    expect(wills(bench)).toEqual([])
  })

  test('or after its delay, if that is longer', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('lost'), willDelaySec: 8 })
    bench.crash()
    listen(bench)
    bench.pass(7_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['lost'])
  })

  test('a will whose delay ran before goes on with it, but is not due before 5 s', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('short'), willDelaySec: 10 })
    bench.connect(2, 'd', { will: will('long'), willDelaySec: 30 })
    bench.lose(1)
    bench.lose(2)
    bench.pass(9_000)
    bench.crash()
    listen(bench)
    bench.pass(4_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['short'])
    bench.pass(15_999)
    expect(wills(bench)).toEqual([])
    bench.pass(1)
    expect(wills(bench)).toEqual(['long'])
  })

  test('a will that was published, but not recorded as published, is not published again', () => {
    for (const fields of [{ willDelaySec: 30 }, { willDelaySec: 0 }, { willDelaySec: 0, sessionExpirySec: 0 }]) {
      const bench = withListener()
      bench.connect(1, 'c', { will: will('once'), ...fields })
      bench.lose(1)
      if (fields.willDelaySec > 0) {
        bench.commitAll()
        bench.nowMs += 30_000
        bench.engine.handleTick(bench.nowMs)
      }
      // The will has committed, and what follows it has not.
      bench.commit(bench.log.findLastIndex((batch) => bench.dataBatches().includes(batch)) + 1)
      expect(logged(bench)).toBe(1)
      bench.crash()
      expect(logged(bench)).toBe(1)
      bench.pass(4_000_000)
      expect(logged(bench)).toBe(1)
      expect(bench.engine.stats['sessions'], 'and the session ends in its time').toBe(0)
    }
  })

  test('not even when the broker was down for so long that idle producers are forgotten', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('once') })
    bench.lose(1)
    bench.commit(bench.log.length - 1)
    bench.nowMs += 8 * 24 * 3_600_000
    bench.crash()
    bench.pass(4_000_000)
    expect(logged(bench)).toBe(1)
  })

  test('a will that did not commit before the crash is published after it', () => {
    const bench = withListener()
    bench.connect(1, 'c', { will: will('again') })
    bench.commitAll()
    bench.lose(1)
    bench.crash()
    listen(bench)
    bench.pass(5_000)
    expect(wills(bench)).toEqual(['again'])
  })
})

test('a broker that stops in order keeps its wills pending, as after a crash', () => {
  const bench = withListener()
  bench.connect(1, 'c', { will: will('pending') })
  bench.connect(2, 'd', { will: will('back in time') })
  bench.engine.shutdown(bench.nowMs)
  expect(bench.takeRefusal(1)).toBe('SHUTTING_DOWN')
  bench.commitAll()
  expect(logged(bench)).toBe(0)
  bench.crash()
  listen(bench)
  bench.connect(2, 'd')
  bench.pass(5_000)
  expect(wills(bench)).toEqual(['pending'])
})

describe('a will that the broker would not publish is refused with the connection, and nothing is kept', () => {
  const bad = batchOf('wills/c', ['x'])
  bad[bad.length - 1]! ^= 1
  test.each([
    ['a topic of the broker', batchOf('$sys/x', ['x']), 'NOT_AUTHORIZED'],
    ['two records', batchOf('wills/c', ['x', 'y']), 'MALFORMED_BATCH'],
    ['a wildcard', batchOf('wills/+', ['x']), 'INVALID_TOPIC'],
    ['a wrong checksum', bad, 'MALFORMED_BATCH'],
    ['no batch at all', new Uint8Array(10), 'MALFORMED_BATCH'],
  ])('%s', (_, batch, code) => {
    const bench = withListener()
    bench.connect(1, 'c')
    const batches = bench.log.length
    bench.connect(2, 'c', { will: batch })
    expect(bench.takeRefusal(2)).toBe(code)
    expect(bench.closed.has(2)).toBe(true)
    expect(bench.log.length).toBe(batches)
    expect(bench.closed.has(1), 'the older connection stays').toBe(false)
    expect(bench.engine.stats).toMatchObject({ connections: 2, sessions: 0 })
  })
})

test('a client that comes back and is lost again before it is let in leaves the will that was owed', () => {
  const bench = withListener()
  bench.pass(CLIENTS_LOST_GRACE_MS)
  bench.connect(1, 'c', { will: will('lost'), willDelaySec: 1 })
  bench.lose(1)
  bench.sendConnect(2, 'c')
  bench.nowMs += 1500
  bench.engine.handleTick(bench.nowMs)
  bench.lose(2)
  bench.commitAll()
  expect(wills(bench)).toEqual([])
  bench.pass(1000)
  expect(wills(bench)).toEqual(['lost'])
  bench.pass(3_601_000)
  expect(bench.engine.stats['sessions']).toBe(0)
})
