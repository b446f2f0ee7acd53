import { encodeMsgpack, GomqError, NO_OFFSET, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import {
  PRODUCER_KEPT_MS,
  PRODUCER_WINDOW_BATCHES,
  PRODUCERS_FORGOTTEN_AT_ONCE,
  PRODUCERS_LIMIT,
  PRODUCERS_MAX,
} from '../src/limits.js'
import { batchOf } from './support/client-batch.js'
import { EngineBench } from './support/engine-bench.js'

function withPublisher(log?: readonly Uint8Array[]): EngineBench {
  const bench = new EngineBench(log === undefined ? {} : { log })
  bench.connect(1, 'p')
  bench.take(1)
  return bench
}

/** Request and offset of each PUBACK since the last call. */
function acks(bench: EngineBench): [requestId: number, baseOffset: number][] {
  return bench
    .take(1)
    .filter((packet) => packet.type === PacketType.PUBACK)
    .map(({ requestId, baseOffset }) => [requestId, baseOffset])
}

describe('a publish', () => {
  test('is acknowledged when it has committed, and not before, in the order of the log', () => {
    const bench = withPublisher()
    const base = bench.logEnd
    const first = bench.publish(1, 'a', ['1', '2'])
    const second = bench.publish(1, 'b', ['3'])
    const third = bench.publish(1, 'a', ['4'])
    expect(acks(bench)).toEqual([])
    bench.commit(bench.log.length - 1)
    expect(acks(bench)).toEqual([
      [first, base],
      [second, base + 2],
    ])
    bench.commitAll()
    expect(acks(bench)).toEqual([[third, base + 3]])
  })

  test('of QoS 0 goes to those who listen now, is in no log, and is lost for those without credit', () => {
    const bench = withPublisher()
    bench.connect(2, 'listens')
    bench.subscribe(2, 1, ['a'])
    bench.connect(3, 'has no credit')
    bench.subscribe(3, 1, ['a'], { messages: 0 })
    bench.commitAll()
    const batches = bench.log.length
    bench.publish(1, 'a', ['now'], { qos: 0 })
    expect(bench.takeTexts(2)).toEqual(['now'])
    bench.packet(3, { type: PacketType.CREDIT, subscriptionId: 1, messages: 5, bytes: 500 })
    bench.commitAll()
    expect(bench.takeTexts(3)).toEqual([])
    expect(bench.log.length).toBe(batches)
  })

  test('of QoS 0 that is retained is stored, and not acknowledged', () => {
    const bench = withPublisher()
    bench.publish(1, 'a', ['kept'], { qos: 0, retain: true })
    bench.commitAll()
    expect(bench.take(1)).toEqual([])
    expect(bench.engine.stats['retainedMessages']).toBe(1)
  })

  test('to a topic that begins with $ is refused', () => {
    const bench = withPublisher()
    bench.publish(1, '$sys/x', ['m'])
    expect(bench.takeRefusal(1)).toBe('NOT_AUTHORIZED')
  })

  test('of QoS 0 that is refused for its topic, or for room, is dropped, and its connection goes on', () => {
    const bench = withPublisher()
    bench.publish(1, '$sys/x', ['m', 'n'], { qos: 0 })
    bench.publish(1, '$sys/x', ['m'], { qos: 0, retain: true })
    expect(bench.take(1)).toEqual([])
    expect(bench.closed.size).toBe(0)
    expect(bench.engine.stats['droppedMessages']).toBe(3)
    bench.packet(1, { type: PacketType.PUBLISH, requestId: 5, batch: batchOf('$sys/x', ['m'], { qos: 0 }) })
    expect(bench.take(1), 'who asks is answered').toMatchObject([{ requestId: 5, code: 'NOT_AUTHORIZED' }])
  })

  test('that is no batch is refused, and so is a message above the limit', () => {
    const bench = withPublisher()
    bench.packet(1, { type: PacketType.PUBLISH, requestId: 5, batch: new Uint8Array(200) })
    expect(bench.take(1)).toMatchObject([{ type: PacketType.ERROR, requestId: 5, code: 'MALFORMED_BATCH' }])
    bench.publish(1, 'a', ['x'.repeat(300_000)])
    expect(bench.takeRefusal(1)).toBe('MESSAGE_TOO_LARGE')
  })
})

describe('a batch that is sent again', () => {
  test('is not stored again, and is acknowledged with the place of the original', () => {
    const bench = withPublisher()
    const base = bench.logEnd
    bench.publish(1, 'a', ['m'], { id: 7 })
    bench.commitAll()
    acks(bench)
    const batches = bench.log.length
    const again = bench.publish(1, 'a', ['m'], { id: 7 })
    expect(acks(bench)).toEqual([[again, base]])
    expect(bench.log.length).toBe(batches)
  })

  test('while the original is on its way is acknowledged with it, and not before', () => {
    const bench = withPublisher()
    const base = bench.logEnd
    const first = bench.publish(1, 'a', ['m'], { id: 7 })
    const again = bench.publish(1, 'a', ['m'], { id: 7 })
    expect(acks(bench)).toEqual([])
    bench.commitAll()
    expect(acks(bench)).toEqual([
      [first, base],
      [again, base],
    ])
  })

  test('from another connection, after a broker crash, is recognised', () => {
    const bench = withPublisher()
    const base = bench.logEnd
    bench.publish(1, 'a', ['m'], { id: 7 })
    bench.commitAll()
    bench.crash()
    bench.connect(1, 'p')
    bench.take(1)
    const again = bench.publish(1, 'a', ['m'], { id: 7 })
    expect(acks(bench)).toEqual([[again, base]])
  })

  test('and was lost with a broker crash is stored', () => {
    const bench = withPublisher()
    bench.publish(1, 'a', ['m'], { id: 7 })
    bench.crash()
    bench.connect(1, 'p')
    bench.take(1)
    bench.publish(1, 'a', ['m'], { id: 7 })
    bench.commitAll()
    expect(acks(bench)).toHaveLength(1)
    expect(bench.dataBatches()).toHaveLength(1)
  })

  test('and is older than the window is not acknowledged before the original has committed', () => {
    const bench = withPublisher()
    const count = PRODUCER_WINDOW_BATCHES + 10
    for (let i = 0; i < count; i++) bench.publish(1, 'a', ['m'], { id: 7, sequence: i })
    const again = bench.publish(1, 'a', ['m'], { id: 7, sequence: 0 })
    expect(acks(bench)).toEqual([])
    bench.commitAll()
    expect(acks(bench).map(([requestId]) => requestId)).toContain(again)
    bench.publish(1, 'a', ['m'], { id: 7, sequence: count })
    bench.commitAll()
    acks(bench)
    const later = bench.publish(1, 'a', ['m'], { id: 7, sequence: 0 })
    expect(acks(bench)).toEqual([[later, NO_OFFSET]])
    expect(bench.dataBatches()).toHaveLength(count + 1)
  })
})

test('a snapshot taken while many batches of a producer are on their way does not lose the producer', () => {
  const bench = withPublisher()
  bench.publish(1, 'a', ['m'], { id: 7, sequence: 0 })
  bench.commitAll()
  for (let i = 1; i <= 2 * PRODUCER_WINDOW_BATCHES; i++) bench.publish(1, 'a', ['m'], { id: 7, sequence: i })
  const snapshot = [...bench.engine.snapshotEntries()]
  const restored = withPublisher()
  for (const entry of snapshot) restored.engine.restoreEntry(entry)
  restored.publish(1, 'a', ['m'], { id: 7, sequence: 1 })
  restored.commitAll()
  expect(acks(restored)).toHaveLength(1)
})

describe('producers are bounded', () => {
  const START_MS = new EngineBench().nowMs
  /** Entry of a snapshot: a producer that published once, at `offset`, by default just so long ago that it may be forgotten. */
  const entry = (id: number, offset: number, seenMs = START_MS - PRODUCER_KEPT_MS) =>
    encodeMsgpack([1, id, 0, 1, seenMs, offset, [0, offset, offset + 1]])

  test(`beyond ${PRODUCERS_MAX} the longest idle ones are forgotten, by a record`, () => {
    const bench = new EngineBench()
    for (let id = 1; id <= PRODUCERS_MAX; id++) bench.engine.restoreEntry(entry(id, id - PRODUCERS_MAX - 1))
    bench.connect(1, 'p')
    bench.publish(1, 'a', ['m'], { id: 5, sequence: 1 })
    bench.commitAll()
    expect(bench.engine.stats['producers']).toBe(PRODUCERS_MAX)
    for (let i = 1; i <= 3; i++) bench.publish(1, 'a', ['m'], { id: PRODUCERS_MAX + i })
    bench.commitAll()
    expect(bench.controlRecords().filter(({ kind }) => kind === 'forgetProducers')).toHaveLength(1)
    expect(bench.engine.stats['producers']).toBe(PRODUCERS_MAX + 3 - PRODUCERS_FORGOTTEN_AT_ONCE)
    bench.take(1)
    bench.publish(1, 'a', ['m'], { id: 5, sequence: 2 })
    bench.publish(1, 'a', ['m'], { id: PRODUCERS_MAX, sequence: 1 })
    bench.commitAll()
    expect(acks(bench), 'those that published lately are known').toHaveLength(2)
    bench.publish(1, 'a', ['m'], { id: 6, sequence: 1 })
    expect(bench.takeRefusal(1)).toBe('OUTCOME_UNKNOWN')
  })

  test('within an hour none is forgotten, so that a batch that is sent again is stored once; beyond a limit new ones are refused', () => {
    const bench = new EngineBench()
    for (let id = 1; id < PRODUCERS_LIMIT; id++)
      bench.engine.restoreEntry(entry(id, id - PRODUCERS_LIMIT, START_MS - PRODUCER_KEPT_MS + 1))
    bench.connect(1, 'p')
    bench.publish(1, 'a', ['m'], { id: PRODUCERS_LIMIT })
    bench.commitAll()
    bench.publish(1, 'a', ['m'], { id: 1 })
    expect(acks(bench), 'a new one, and a repetition').toHaveLength(2)
    bench.publish(1, 'a', ['m'], { id: PRODUCERS_LIMIT + 1 })
    expect(bench.takeRefusal(1)).toBe('LIMIT_EXCEEDED')
    expect(bench.controlRecords().filter(({ kind }) => kind === 'forgetProducers')).toEqual([])
    bench.publish(1, 'a', ['m'], { id: 2, sequence: 1 })
    bench.publish(1, 'a', ['m'])
    bench.commitAll()
    expect(acks(bench), 'a known one, and one without an identity').toHaveLength(2)
  })

  test('as many as there may be are forgotten in one look when all are idle, in records of a bounded size', () => {
    const bench = new EngineBench()
    for (let id = 1; id <= PRODUCERS_MAX; id++) bench.engine.restoreEntry(entry(id, id - PRODUCERS_MAX - 1))
    bench.pass(7 * 24 * 3_600_000 + 2 * 3_600_000)
    expect(bench.engine.stats['producers']).toBe(0)
    const sizes = bench
      .controlRecords()
      .flatMap((record) => ('producerIds' in record ? [record.producerIds.length] : []))
    expect(sizes).toEqual(Array(PRODUCERS_MAX / PRODUCERS_FORGOTTEN_AT_ONCE).fill(PRODUCERS_FORGOTTEN_AT_ONCE))
    expect(() => bench.crash()).not.toThrow()
  })

  test('those that were idle for 7 days are forgotten in any case', () => {
    const bench = withPublisher()
    bench.publish(1, 'a', ['m'], { id: 7 })
    bench.commitAll()
    bench.lose(1)
    bench.pass(7 * 24 * 3_600_000)
    expect(bench.engine.stats['producers']).toBe(1)
    bench.pass(2 * 3_600_000)
    expect(bench.engine.stats['producers']).toBe(0)
  })
})

describe('without room on the disk', () => {
  const noRoom = new GomqError('DISK_FULL', 'no room')
  const full = () => {
    const bench = withPublisher()
    bench.publish(1, 'a', ['stored'], { id: 7 })
    bench.commitAll()
    bench.take(1)
    bench.engine.handleRoom(noRoom)
    return bench
  }

  test('a publish that would be stored is refused with DISK_FULL, and counted', () => {
    const bench = full()
    const end = bench.logEnd
    bench.publish(1, 'a', ['m'])
    expect(bench.takeRefusal(1)).toBe('DISK_FULL')
    bench.publish(1, 'a', ['m'], { qos: 0, retain: true })
    bench.publish(1, 'a', ['m'], { id: 8 })
    expect([bench.logEnd, bench.engine.stats['refusedForRoom']]).toEqual([end, 3])
  })

  test('a batch that is stored already is acknowledged again', () => {
    const bench = full()
    bench.publish(1, 'a', ['stored'], { id: 7 })
    expect(acks(bench)).toHaveLength(1)
  })

  test('what is refused leaves no trace: the same batch is stored when there is room, and once', () => {
    const bench = full()
    bench.publish(1, 'a', ['m'], { id: 7, sequence: 1 })
    expect(bench.takeRefusal(1)).toBe('DISK_FULL')
    bench.publish(1, 'a', ['n'], { id: 7, sequence: 2 })
    expect(bench.takeRefusal(1)).toBe('OUT_OF_SEQUENCE')
    bench.engine.handleRoom(undefined)
    for (let i = 0; i < 2; i++) bench.publish(1, 'a', ['m'], { id: 7, epoch: 1, sequence: 0 })
    bench.publish(1, 'a', ['n'], { id: 7, epoch: 1, sequence: 1 })
    bench.commitAll()
    expect(acks(bench)).toHaveLength(3)
    expect(bench.dataBatches()).toHaveLength(3)
  })

  test('what an older connection of the producer brings late is not stored: it was sent again, and refused', () => {
    const bench = full()
    bench.connect(2, null)
    bench.publish(2, 'a', ['m'], { id: 7, sequence: 1 })
    expect([bench.takeRefusal(2), bench.closed.has(1)]).toEqual(['DISK_FULL', true])
    bench.engine.handleRoom(undefined)
    bench.publish(1, 'a', ['m'], { id: 7, sequence: 1 })
    bench.publish(2, 'a', ['m'], { id: 7, epoch: 1, sequence: 0 })
    bench.commitAll()
    expect(bench.dataBatches()).toHaveLength(2)
  })

  test('nor is it when the newer connection has ended meanwhile', () => {
    const bench = full()
    for (const connection of [2, 3]) bench.connect(connection, null)
    bench.publish(3, 'a', ['m'], { id: 8 })
    expect(bench.takeRefusal(3)).toBe('DISK_FULL')
    bench.lose(3)
    bench.engine.handleRoom(undefined)
    bench.publish(2, 'a', ['m'], { id: 8 })
    expect(bench.closed.has(2)).toBe(true)
    bench.connect(4, null)
    bench.publish(4, 'a', ['m'], { id: 8, epoch: 1 })
    bench.commitAll()
    expect(bench.dataBatches()).toHaveLength(2)
  })

  test('messages of QoS 0, acknowledgements, subscriptions and wills go on', () => {
    const bench = full()
    bench.connect(2, 'c', { will: batchOf('w', ['gone']) })
    bench.subscribe(2, 1, ['#'])
    bench.commitAll()
    bench.publish(1, 'a', ['now'], { qos: 0 })
    expect(bench.takeTexts(2)).toEqual(['now'])
    const before = bench.dataBatches().length
    bench.lose(2)
    bench.commitAll()
    expect(bench.dataBatches()).toHaveLength(before + 1)
  })
})

describe('a producer', () => {
  test('speaks over its newest connection, whichever was read first', () => {
    const bench = withPublisher()
    bench.connect(2, null)
    bench.publish(2, 'a', ['m'], { id: 7 })
    bench.publish(1, 'a', ['m'], { id: 7 })
    expect(bench.takeRefusal(1)).toBe('PRODUCER_FENCED')
    expect([bench.closed.has(1), bench.closed.has(2)]).toEqual([true, false])
    bench.commitAll()
    expect(bench.dataBatches()).toHaveLength(1)
  })

  test('is not what a door speaks for, over which many publish', () => {
    const bench = withPublisher()
    bench.connect(2, null)
    bench.connect(3, null, {}, true)
    for (const connection of [2, 3, 1, 3]) bench.publish(connection, 'a', ['m'], { id: 7 })
    bench.commitAll()
    expect([1, 2, 3].map((connection) => bench.closed.has(connection))).toEqual([true, false, false])
    expect(bench.dataBatches()).toHaveLength(1)
  })

  test('closes no connection of others, nor one that has published as several', () => {
    const bench = withPublisher()
    bench.connect(2, null)
    bench.connect(3, null)
    for (const id of [7, 8]) bench.publish(1, 'a', ['m'], { id })
    for (const connection of [2, 3]) bench.publish(connection, 'a', ['m'], { id: 7 + 2 * connection })
    bench.publish(2, 'a', ['m'])
    bench.publish(2, 'a', ['m'], { id: 7, sequence: 1 })
    bench.commitAll()
    expect([1, 2, 3].map((connection) => bench.closed.has(connection))).toEqual([false, false, false])
    expect(bench.dataBatches()).toHaveLength(6)
  })
})

test('a will whose sequence is no news is taken as published', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c', { will: batchOf('a', ['m'], { id: 7, sequence: 5 }) })
  expect(bench.takeConnack(1)).toBeDefined()
  expect(() => bench.lose(1)).not.toThrow(GomqError)
  expect(bench.dataBatches()).toEqual([])
})
