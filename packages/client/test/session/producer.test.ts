import {
  Attribute,
  epoch,
  GomqError,
  offset,
  PacketType,
  type PublishPacket,
  recordCountOf,
  ttlMsOf,
} from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { BATCH_OPEN_SHARE, BULK_ROOM_SHARE, PARKED_PUBLISHES_MAX, ROOM_SHARE } from '../../src/session/limits.js'
import type { PublishAck } from '../../src/session/publish-batch.js'
import { message, Outcome } from '../harness/messages.js'
import { ModelBroker } from '../harness/model-broker.js'
import { producerPair as pair } from '../harness/producer-pair.js'

describe('the producer', () => {
  test('sends the first message at once and what comes meanwhile in one batch', () => {
    const { sent, publish, answer, producer, broker } = pair()
    const outcomes = ['a', 'b', 'c'].map((text) => publish('t', text))
    expect(sent.length).toBe(1)
    answer()
    producer.flush()
    expect(sent.length).toBe(1)
    answer()
    expect(outcomes.map((each) => each.value?.offset)).toEqual([0, 1, 2])
    expect(broker.stored.map((each) => each.text)).toEqual(['a', 'b', 'c'])
    expect(producer.isIdle).toBe(true)
    expect(producer.bufferedBytes).toBe(0)
  })

  test('keeps the order of a topic, and each time to live, when lives change from message to message', () => {
    const { producer, line, sent, answer, publish, broker } = pair()
    line.isOpen = false
    const lives = [5, 5, 7, 0, 5]
    lives.forEach(
      (ttlMs, i) => void publish('t', `${i}`, { ttlMs, attributes: ttlMs > 0 ? 1 | Attribute.EXPIRING : 1 }),
    )
    line.isOpen = true
    producer.flush()
    expect(sent.map(({ batch }) => [ttlMsOf(batch), recordCountOf(batch)])).toEqual([
      [5, 2],
      [7, 1],
      [0, 1],
      [5, 1],
    ])
    answer()
    expect(broker.stored.map((each) => each.text)).toEqual(['0', '1', '2', '3', '4'])
  })

  test('keeps the order of a topic when attributes change from message to message', () => {
    const { producer, line, answer, publish, broker } = pair()
    line.isOpen = false
    for (let i = 0; i < 6; i++) publish('t', `${i}`, i % 2 ? { key: 'k', attributes: 1 | Attribute.KEYED } : {})
    line.isOpen = true
    for (let i = 0; i < 6; i++) {
      producer.flush()
      answer()
    }
    expect(broker.stored.map((each) => each.text)).toEqual(['0', '1', '2', '3', '4', '5'])
  })

  test('resolves QoS 0 without retain when it is handed over, with no offset', () => {
    const { publish, sent } = pair()
    const outcome = publish('t', 'x', { attributes: 0 })
    expect(sent[0]!.requestId).toBe(0)
    expect(outcome.value).toEqual({ offset: -1, epoch: 0, durability: 'written' })
  })

  test('has no more batches in flight than the broker allows', () => {
    const { producer, publish, sent } = pair()
    for (let i = 0; i < 9; i++) publish(`t${i}`, 'x')
    producer.flush()
    expect(sent.length).toBe(4)
    expect(producer.inflightCount).toBe(4)
  })

  test('sends again what was not answered, byte for byte, and stores it once', () => {
    const { producer, publish, sent, broker, answer } = pair()
    const outcome = publish('t', 'x')
    const first = sent.splice(0)[0]!
    broker.handlePublish(first, null)
    producer.handleConnected(4)
    expect(sent).toEqual([first])
    answer()
    expect(outcome.value?.offset).toBe(0)
    expect(broker.stored.length).toBe(1)
  })

  test.each(['LIMIT_EXCEEDED', 'NOT_AUTHORIZED'] as const)(
    'rejects a batch refused with %s and stores those behind it',
    (code) => {
      const { producer, publish, sent, broker, reply, answer } = pair()
      const refused = publish('a', 'refused')
      const behind = [publish('b', 'behind'), publish('c', 'behind too')]
      producer.flush()
      reply(broker.handlePublish(sent.shift()!, code))
      answer()
      producer.flush()
      answer()
      expect((refused.error as GomqError).code).toBe(code)
      expect(behind.map((each) => each.value?.offset)).toEqual([0, 1])
      expect(broker.stored.map((each) => each.text)).toEqual(['behind', 'behind too'])
    },
  )

  test('rejects as outcome unknown what may have been stored by a broker that forgot the producer', () => {
    const { producer, publish, sent, answer, broker } = pair()
    publish('t', 'x')
    answer()
    const lost = publish('t', 'y')
    sent.splice(0)
    producer.handleConnected(4)
    const forgetful = new ModelBroker()
    for (const packet of sent.splice(0)) {
      const reply = forgetful.handlePublish(packet, null)
      if (reply?.type === PacketType.ERROR) producer.handleRefused(reply, 1000)
    }
    expect((lost.error as GomqError).code).toBe('OUTCOME_UNKNOWN')
    expect(broker.stored.length).toBe(1)
    const next = publish('t', 'z')
    expect(forgetful.handlePublish(sent[0]!, null)?.type).toBe(PacketType.PUBACK)
    expect(next.isSettled).toBe(false)
  })

  test('takes another identity after it was fenced', () => {
    const { producer, publish, sent, answer } = pair()
    publish('t', 'x')
    const before = sent[0]!.batch.slice()
    answer('PRODUCER_FENCED')
    publish('t', 'y')
    producer.flush()
    expect(sent.length).toBe(1)
    expect(Buffer.compare(sent[0]!.batch.subarray(0, 80), before.subarray(0, 80))).not.toBe(0)
  })

  test('rejects at the deadline, on the way or not, and stays in sequence', () => {
    const { producer, publish, answer, broker } = pair()
    const sentOne = publish('t', 'sent', { timeoutMs: 100 })
    const queued = publish('t', 'queued', { timeoutMs: 50 })
    expect(producer.nextDeadlineMs()).toBe(1050)
    producer.handleTick(1049)
    expect(queued.isSettled).toBe(false)
    producer.handleTick(1050)
    expect((queued.error as GomqError).code).toBe('TIMEOUT')
    producer.handleTick(1100)
    expect((sentOne.error as GomqError).code).toBe('TIMEOUT')
    expect(producer.isIdle).toBe(true)
    answer()
    publish('t', 'next')
    answer()
    expect(broker.stored.map((each) => each.text)).toEqual(['sent', 'next'])
    expect(producer.bufferedBytes).toBe(0)
  })

  test('does not store what is surely not stored once nobody waits for it', () => {
    const { producer, publish, sent, broker, reply } = pair()
    publish('a', 'refused')
    const behind = publish('b', 'behind', { timeoutMs: 100 })
    producer.flush()
    const [first, second] = sent.splice(0)
    producer.handleTick(1100)
    expect((behind.error as GomqError).code).toBe('TIMEOUT')
    reply(broker.handlePublish(first!, 'LIMIT_EXCEEDED'))
    reply(broker.handlePublish(second!, null))
    expect(sent).toEqual([])
    expect(producer.bufferedBytes).toBe(0)
  })

  test('opens another batch for a message that comes later, so that deadlines keep apart', () => {
    const { producer, publish, line } = pair()
    line.isOpen = false
    const early = publish('t', 'early', { timeoutMs: 1000 }, 1000)
    const beside = publish('t', 'beside', { timeoutMs: 1000 }, 1000 + 1000 * BATCH_OPEN_SHARE)
    const late = publish('t', 'late', { timeoutMs: 1000 }, 1001 + 1000 * BATCH_OPEN_SHARE)
    producer.handleTick(2000)
    expect([early, beside, late].map((each) => each.isSettled)).toEqual([true, true, false])
  })

  test('parks publishes while the buffer is full, in order, and refuses beyond the bound', () => {
    const { producer, publish, answer, broker } = pair(10)
    const outcomes = ['a', 'b', 'c'].map((text) => publish('t', text.repeat(20)))
    expect(producer.isRoomy(ROOM_SHARE)).toBe(false)
    const room = new Outcome<void>()
    producer.waitForRoom(ROOM_SHARE, room)
    for (let i = 0; i < 3; i++) {
      producer.flush()
      answer()
    }
    expect(outcomes.every((each) => each.value !== undefined)).toBe(true)
    expect(broker.stored.map((each) => each.text[0])).toEqual(['a', 'b', 'c'])
    expect(room.isSettled).toBe(true)
    publish('t', 'x'.repeat(20))
    for (let i = 0; i < PARKED_PUBLISHES_MAX; i++)
      producer.publish(message('t', 'y'), { resolve() {}, reject() {} }, 1000)
    expect((publish('t', 'z').error as GomqError).code).toBe('BUFFER_FULL')
  })

  test('has room for many with one promise before it has for those with one each', () => {
    const { producer, publish, sent } = pair(800)
    // Each in a batch of its own.
    for (const topic of ['a', 'b', 'c']) publish(topic, topic.repeat(100))
    const answerOne = () => {
      const { requestId } = sent.shift()!
      producer.handlePuback({
        type: PacketType.PUBACK,
        requestId,
        baseOffset: offset(0),
        epoch: epoch(1),
        durability: 'synced',
      })
    }
    const [each, bulk] = [new Outcome<void>(), new Outcome<void>()]
    producer.waitForRoom(ROOM_SHARE, each)
    producer.waitForRoom(BULK_ROOM_SHARE, bulk)
    producer.flush()
    expect([bulk.isSettled, each.isSettled]).toEqual([false, false])
    answerOne()
    expect([bulk.isSettled, each.isSettled]).toEqual([false, false])
    answerOne()
    expect([bulk.isSettled, each.isSettled]).toEqual([true, false])
    answerOne()
    expect(each.isSettled).toBe(true)
  })

  test('has room for one that paces itself when what is in flight has timed out, though its bytes stay', () => {
    const { producer, publish } = pair(100)
    const stuck = publish('t', 'x'.repeat(200))
    const room = new Outcome<void>()
    producer.waitForRoom(ROOM_SHARE, room)
    producer.handleTick(10_999)
    expect(room.isSettled).toBe(false)
    producer.handleTick(11_000)
    expect((stuck.error as GomqError).code).toBe('TIMEOUT')
    expect(room.value).toBe(true)
    expect(producer.bufferedBytes).toBeGreaterThan(100)
    const parked = publish('t', 'y', {}, 11_000)
    expect(producer.isRoomy(ROOM_SHARE)).toBe(false)
    producer.handleTick(21_000)
    expect((parked.error as GomqError).code).toBe('TIMEOUT')
    expect(producer.isRoomy(ROOM_SHARE)).toBe(true)
  })

  test('has no room for more when what timed out is answered late', () => {
    const { producer, publish, answer } = pair(100)
    publish('t', 'x'.repeat(200))
    producer.handleTick(11_000)
    producer.handleTick(11_100)
    answer()
    expect(producer.bufferedBytes).toBe(0)
    publish('t', 'x'.repeat(200), {}, 11_100)
    expect(producer.isRoomy(ROOM_SHARE)).toBe(false)
  })

  test('has room again when the last publish that was parked is cancelled', () => {
    const { producer, publish } = pair(100)
    publish('t', 'x'.repeat(200))
    producer.handleTick(11_000)
    const parked = { resolve() {}, reject() {} }
    producer.publish(message('t', 'y'), parked, 11_000)
    const room = new Outcome<void>()
    producer.waitForRoom(ROOM_SHARE, room)
    expect(room.isSettled).toBe(false)
    expect(producer.cancel(parked)).toBe(true)
    expect(room.isSettled).toBe(true)
  })

  test('forgets a parked publish that is cancelled, and no other', () => {
    const { producer, publish, answer, broker } = pair(10)
    const first = publish('t', 'x'.repeat(20))
    const parked = publish('t', 'parked')
    expect(producer.cancel(first)).toBe(false)
    expect(producer.cancel(parked)).toBe(true)
    answer()
    producer.flush()
    answer()
    expect(broker.stored.length).toBe(1)
  })

  test('rejects everything when it is abandoned', () => {
    const { producer, publish } = pair(10)
    const outcomes = [publish('t', 'x'.repeat(20)), publish('t', 'parked')]
    const room = new Outcome<void>()
    producer.waitForRoom(ROOM_SHARE, room)
    producer.abandon(new GomqError('CLOSED', ''))
    expect([...outcomes, room].map((each) => (each.error as GomqError).code)).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
    expect(producer.isIdle).toBe(true)
    expect(producer.bufferedBytes).toBe(0)
  })
})

/** A random life: publishes, lost answers, refusals, lost connections, timeouts. */
function live(seed: number): void {
  const random = new SeededRandom(seed)
  const chance = (share: number) => random.next() < share
  const below = (max: number) => Math.floor(random.next() * max)
  const { producer, sent, line, broker, reply, publish } = pair(400)
  const published: { topic: string; text: string; outcome: Outcome<PublishAck> }[] = []
  let wire: PublishPacket[] = []
  let nowMs = 1000
  let number = 0
  const deliver = (isCalm: boolean) => {
    wire.push(...sent.splice(0))
    // One connection is a stream: the broker sees a prefix, in order.
    while (wire.length > 0 && (isCalm || chance(0.7))) {
      const packet = wire.shift()!
      const code = isCalm || !chance(0.15) ? null : (['DISK_FULL', 'NOT_AUTHORIZED'] as const)[below(2)]!
      const answer = broker.handlePublish(packet, code)
      if (!line.isOpen) continue
      reply(answer)
    }
  }
  const reconnect = () => {
    line.isOpen = true
    wire = []
    sent.splice(0)
    producer.handleConnected(4)
  }
  for (let step = 0; step < 200; step++) {
    nowMs = line.nowMs += below(40)
    if (chance(0.6)) {
      const topic = 'abc'[below(3)]!
      const text = `${number++}`
      const init = { timeoutMs: chance(0.2) ? 30 : 100_000, timestampMs: nowMs }
      published.push({ topic, text, outcome: publish(topic, text.padEnd(below(30), ' '), init, nowMs) })
    }
    producer.flush()
    if (chance(0.1)) producer.handleTick(nowMs)
    if (chance(0.5)) deliver(false)
    // What was on the wire may still reach the broker, but its answers do not come.
    if (line.isOpen && chance(0.05)) {
      line.isOpen = false
      wire.push(...sent.splice(0))
      for (let left = below(wire.length + 1); left > 0; left--) broker.handlePublish(wire.shift()!, null)
      wire = []
    } else if (!line.isOpen && chance(0.5)) reconnect()
  }
  line.isOpen = false
  reconnect()
  for (let i = 0; i < 500 && !(producer.isIdle && producer.inflightCount === 0); i++) {
    producer.handleTick((line.nowMs += 100))
    producer.flush()
    deliver(true)
  }
  const label = `seed ${seed}`
  expect(
    published.every(({ outcome }) => outcome.isSettled),
    `${label}: all settle`,
  ).toBe(true)
  expect(producer.bufferedBytes, `${label}: nothing stays buffered`).toBe(0)
  const texts = broker.stored.map((each) => each.text.trim())
  expect(new Set(texts).size, `${label}: nothing is stored twice`).toBe(texts.length)
  for (const { text, topic, outcome } of published) {
    if (outcome.value === undefined) {
      if (['DISK_FULL', 'NOT_AUTHORIZED'].includes((outcome.error as GomqError).code))
        expect(texts, `${label}: what was refused is not stored`).not.toContain(text)
      continue
    }
    const at = broker.stored[outcome.value.offset]
    expect([at?.topic, at?.text.trim()], `${label}: what was acknowledged is stored at its offset`).toEqual([
      topic,
      text,
    ])
  }
  for (const topic of 'abc') {
    const numbers = broker.stored.filter((each) => each.topic === topic).map((each) => Number(each.text))
    expect(numbers, `${label}: topic ${topic} is in order`).toEqual([...numbers].sort((a, b) => a - b))
  }
}

test('settles every publish, and stores what it acknowledges once and in order, whatever the broker and the connection do', () => {
  const seeds = process.env['GOMQ_LONG'] ? 20_000 : 300
  for (let seed = 1; seed <= seeds; seed++) live(seed)
})
