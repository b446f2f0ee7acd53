import type { GomqError } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { producerPair as pair } from '../harness/producer-pair.js'

describe('a batch refused because the disk of the broker is full', () => {
  const waiting = () => {
    const opened = pair()
    const { producer, publish, sent, broker, reply, answer, line } = opened
    const outcomes = ['refused', 'behind', 'behind too'].map((text, i) =>
      publish(i === 1 ? 'b' : 'a', text, { timeoutMs: 100_000 }),
    )
    producer.flush()
    reply(broker.handlePublish(sent.shift()!, 'DISK_FULL'))
    answer()
    producer.flush()
    /** Lets time pass until the next try, and says how long that was. */
    const untilRetry = (): number => {
      const startMs = line.nowMs
      while (sent.length === 0 && line.nowMs < startMs + 10_000) producer.handleTick((line.nowMs += 10))
      return line.nowMs - startMs
    }
    return { ...opened, outcomes, untilRetry }
  }

  test('tries again with one batch, and when that is stored sends the others behind it, once each and in order', () => {
    const { producer, sent, answer, broker, outcomes, untilRetry } = waiting()
    expect(sent).toEqual([])
    untilRetry()
    expect(sent.length).toBe(1)
    answer('DISK_FULL')
    untilRetry()
    answer()
    for (let i = 0; i < 3; i++) {
      producer.flush()
      answer()
    }
    expect(outcomes.map((each) => each.value?.offset)).toEqual([0, 1, 2])
    expect(broker.stored.map((each) => each.text)).toEqual(['refused', 'behind', 'behind too'])
    expect([producer.isIdle, producer.bufferedBytes]).toEqual([true, 0])
  })

  test('waits longer from try to try, up to 4 s', () => {
    const { answer, untilRetry } = waiting()
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      waits.push(untilRetry())
      answer('DISK_FULL')
    }
    expect(waits[0]).toBeLessThanOrEqual(260)
    expect(waits[7]).toBeGreaterThanOrEqual(2_000)
    expect(Math.max(...waits)).toBeLessThanOrEqual(4_010)
  })

  test('rejects with DISK_FULL at the deadline, since nothing of it is stored, and goes on with what comes later', () => {
    const { producer, sent, answer, broker, outcomes, publish, untilRetry, line } = waiting()
    line.nowMs = 1000 + 100_000
    producer.handleTick(1000 + 100_000)
    expect(outcomes.map((each) => (each.error as GomqError).code)).toEqual(['DISK_FULL', 'DISK_FULL', 'DISK_FULL'])
    sent.splice(0)
    const next = publish('a', 'next', {}, line.nowMs)
    producer.flush()
    if (sent.length === 0) untilRetry()
    answer()
    expect(next.value?.offset).toBe(0)
    expect(broker.stored.map((each) => each.text)).toEqual(['next'])
    expect([producer.isIdle, producer.bufferedBytes]).toEqual([true, 0])
  })

  test('is no try that went through when a batch from before it is stored, which is told later', () => {
    const { producer, publish, sent, broker, reply, untilRetry } = waiting()
    producer.handleConnected(16)
    const later = ['x', 'y', 'z', 'u', 'v', 'w'].map((topic) => publish(topic, topic, { timeoutMs: 100_000 }))
    // Each time room for one batch, a refusal at once for the next, and the disk takes its time for the first.
    for (let i = 0; i < 40 && broker.stored.length < 9; i++) {
      if (sent.length === 0) untilRetry()
      const [first, second, ...behind] = sent.splice(0)
      if (first === undefined) break
      const stored = broker.handlePublish(first, null)
      if (second !== undefined) reply(broker.handlePublish(second, 'DISK_FULL'))
      for (const packet of behind) reply(broker.handlePublish(packet, null))
      reply(stored)
      producer.flush()
    }
    expect(later.map((each) => each.error)).toEqual(later.map(() => undefined))
    expect(broker.stored.map((each) => each.text)).toEqual([
      'refused',
      'behind',
      'behind too',
      'x',
      'y',
      'z',
      'u',
      'v',
      'w',
    ])
    expect([producer.isIdle, producer.bufferedBytes]).toEqual([true, 0])
  })

  test('takes those behind it along when the connection breaks before they are answered, also at a broker that has stored nothing of the producer', () => {
    const { producer, sent, answer, broker, reply, publish, line } = pair()
    const outcomes = ['refused', 'behind', 'behind too'].map((text) => publish(text, text, { timeoutMs: 100_000 }))
    producer.flush()
    reply(broker.handlePublish(sent.shift()!, 'DISK_FULL'))
    for (const packet of sent.splice(0)) broker.handlePublish(packet, null)
    producer.handleConnected(4)
    for (let i = 0; i < 100; i++) {
      answer()
      producer.handleTick((line.nowMs += 100))
      producer.flush()
    }
    expect(outcomes.map((each) => each.error ?? each.value?.offset)).toEqual([0, 1, 2])
    expect(broker.stored.map((each) => each.text)).toEqual(['refused', 'behind', 'behind too'])
  })

  test('waits over a reconnect too', () => {
    const { producer, sent, answer, broker, untilRetry } = waiting()
    producer.handleConnected(4)
    untilRetry()
    expect(sent.length).toBe(1)
    for (let i = 0; i < 4; i++) {
      answer()
      producer.flush()
    }
    expect(broker.stored.map((each) => each.text)).toEqual(['refused', 'behind', 'behind too'])
  })

  test('sends messages of QoS 0 all the same: nothing of them is stored', () => {
    const { producer, publish, sent } = waiting()
    const live = publish('a', 'live', { attributes: 0 })
    producer.flush()
    expect([sent.length, live.value?.offset]).toEqual([1, -1])
  })
})
