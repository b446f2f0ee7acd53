import { type GomqClient, GomqError, type PublishAck } from '@gomq/client'
import { describe, expect, test } from 'vitest'
import { BenchProducer, type ProducerTask } from '../../src/bench/bench-producer.js'
import { OpenLoop } from '../../src/bench/open-loop.js'
import { END_SEQUENCE, Stamp } from '../../src/bench/stamp.js'

const TASK: ProducerTask = {
  run: 7,
  producer: 0,
  topics: ['t'],
  qos: 1,
  payload: new Uint8Array(100),
  isStamped: true,
  window: 4,
  messagesMax: 10,
  schedule: undefined,
  warmupMessages: 0,
  warmupEndMs: 0,
}

/** A client whose publishes the test settles, and a clock that it moves. */
class FakeClient {
  nowMs = 100
  readonly published: { topic: string; payload: Uint8Array; settle: (outcome: PublishAck | Error) => void }[] = []
  room: Promise<void> | undefined

  publish(topic: string, payload: Uint8Array): Promise<PublishAck> {
    return new Promise((resolve, reject) => {
      const settle = (outcome: PublishAck | Error) => (outcome instanceof Error ? reject(outcome) : resolve(outcome))
      this.published.push({ topic, payload, settle })
    })
  }

  writable(): Promise<void> | undefined {
    return this.room
  }

  /** Acknowledges the next messages at a time. */
  async ack(count: number, nowMs: number): Promise<void> {
    this.nowMs = nowMs
    for (const { settle } of this.published.splice(0, count))
      settle({ offset: 0, epoch: 1, durability: 'synced' } as unknown as PublishAck)
    await turn()
  }

  producer(task: Partial<ProducerTask>): BenchProducer {
    return new BenchProducer(this as unknown as GomqClient, { ...TASK, ...task }, () => this.nowMs)
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

describe('a producer that is as fast as it can', () => {
  test('fills its window, and goes on when an acknowledgement makes room', async () => {
    const mq = new FakeClient()
    const producer = mq.producer({})
    let released = 0
    producer.onReleased(() => released++)
    expect(producer.publishDue(100)).toBe(Number.POSITIVE_INFINITY)
    expect([producer.published, producer.unacked, released]).toEqual([4, 4, 0])
    await mq.ack(3, 150)
    expect([producer.unacked, producer.ackedCount, released]).toEqual([1, 3, 1])
    producer.publishDue(150)
    expect([producer.published, producer.isDone]).toEqual([7, false])
    await mq.ack(4, 200)
    producer.publishDue(200)
    await mq.ack(3, 250)
    expect([producer.published, producer.isDone, producer.unacked, producer.acked.messages]).toEqual([10, true, 0, 10])
    expect(producer.acked.elapsedMs).toBe(150)
    expect(producer.latency.maxMs).toBe(100)
    expect([...producer.durabilities]).toEqual(['synced'])
  })

  test('waits while the client has no room for more', async () => {
    const mq = new FakeClient()
    const producer = mq.producer({})
    let makeRoom = () => {}
    mq.room = new Promise((resolve) => (makeRoom = resolve))
    let released = 0
    producer.onReleased(() => released++)
    expect(producer.publishDue(100)).toBe(Number.POSITIVE_INFINITY)
    expect(producer.publishDue(100)).toBe(Number.POSITIVE_INFINITY)
    expect([producer.published, released]).toEqual([0, 0])
    mq.room = undefined
    makeRoom()
    await turn()
    expect(released).toBe(1)
    producer.publishDue(100)
    expect(producer.published).toBe(4)
  })

  test('gives others their turn after a thousand messages', () => {
    const mq = new FakeClient()
    const producer = mq.producer({ window: 5000, messagesMax: 5000 })
    expect(producer.publishDue(100)).toBe(100)
    expect(producer.published).toBe(1000)
  })

  test('publishes to its topics in turns, and each message says which it is', () => {
    const mq = new FakeClient()
    mq.producer({ producer: 1, topics: ['a', 'b', 'c'] }).publishDue(100)
    expect(mq.published.map(({ topic }) => topic)).toEqual(['b', 'c', 'a', 'b'])
    const stamp = new Stamp()
    const sequences = mq.published.map(
      ({ payload }) => stamp.read(payload) && [stamp.run, stamp.producer, stamp.sequence],
    )
    expect(sequences).toEqual([0, 1, 2, 3].map((sequence) => [7, 1, sequence]))
  })

  test('does not measure its warm-up', async () => {
    const mq = new FakeClient()
    const producer = mq.producer({ warmupMessages: 3 })
    producer.publishDue(100)
    await mq.ack(4, 200)
    expect([producer.ackedCount, producer.acked.messages, producer.latency.count]).toEqual([4, 1, 1])
    const timed = mq.producer({ warmupEndMs: 500 })
    timed.publishDue(200)
    await mq.ack(4, 600)
    timed.publishDue(600)
    await mq.ack(4, 700)
    expect([timed.ackedCount, timed.acked.messages]).toEqual([8, 4])
  })

  test('stops at the first failure, and says what may be missing', async () => {
    const mq = new FakeClient()
    const producer = mq.producer({})
    producer.publishDue(100)
    mq.published[1]!.settle(new GomqError('TIMEOUT', 'late'))
    await mq.ack(1, 110)
    mq.published.splice(0, 1)
    await mq.ack(2, 110)
    expect([producer.isDone, producer.unacked, producer.ackedCount]).toEqual([true, 0, 3])
    expect([...producer.failed]).toEqual([1])
    expect(producer.failure?.code).toBe('TIMEOUT')
  })

  test('says that nothing more follows, in the stamp of a last message', async () => {
    const mq = new FakeClient()
    const end = mq.producer({}).publishEnd(5000)
    const stamp = new Stamp()
    expect(stamp.read(mq.published[0]!.payload) && [stamp.run, stamp.sequence]).toEqual([7, END_SEQUENCE])
    await mq.ack(1, 100)
    await end
  })
})

describe('a producer with a schedule', () => {
  test('sends what is due, says when the next one is, and is not held up by what is not acknowledged', () => {
    const mq = new FakeClient()
    const producer = mq.producer({ window: 100, schedule: new OpenLoop(100, 10, 0, 1) })
    expect(producer.publishDue(100)).toBe(200)
    expect(producer.publishDue(150)).toBe(200)
    expect(producer.published).toBe(1)
    expect(producer.publishDue(450)).toBe(500)
    expect(producer.published).toBe(4)
  })

  test('counts latencies from when a message was to be sent: a stall shows in all that it delays', async () => {
    const mq = new FakeClient()
    const producer = mq.producer({ window: 1, schedule: new OpenLoop(100, 10, 0, 1) })
    producer.publishDue(100)
    await mq.ack(1, 1100)
    for (let each = 0; each < 9; each++) {
      producer.publishDue(1100)
      await mq.ack(1, 1100)
    }
    // Closed loops would have 1000 ms once, and 0 nine times.
    const { latency, lateness } = producer
    expect([latency.count, latency.maxMs]).toEqual([10, 1000])
    expect(latency.percentileMs(50)).toBeCloseTo(500, 0)
    expect([lateness.count, lateness.maxMs]).toEqual([10, 900])
  })
})
