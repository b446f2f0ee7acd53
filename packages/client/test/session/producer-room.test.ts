import { recordCountOf } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { BULK_ROOM_SHARE, ROOM_SHARE } from '../../src/session/limits.js'
import { Outcome } from '../harness/messages.js'
import { producerPair as pair } from '../harness/producer-pair.js'

const BUFFER_BYTES = 16 * 1024

/** Publishes over `topics` topics in turn for as long as there is room; the window is four batches, the others wait and grow. */
function fill(topics: number, share: number, buffer = BUFFER_BYTES) {
  const made = pair(buffer)
  for (let i = 0; made.producer.isRoomy(share); i++) made.publish(`t/${i % topics}`, 'x'.repeat(100))
  return made
}

test('a producer that paces itself goes on beyond its share while what waits is in many small batches, as far as the buffer goes', () => {
  for (const share of [ROOM_SHARE, BULK_ROOM_SHARE]) {
    const { producer, sent, answer } = fill(50, share)
    expect(producer.bufferedBytes).toBeGreaterThan(0.8 * BUFFER_BYTES)
    expect(producer.bufferedBytes).toBeLessThan(BUFFER_BYTES)
    const room = new Outcome<void>()
    producer.waitForRoom(share, room)
    answer()
    expect(room.isSettled).toBe(true)
    producer.flush()
    expect(sent.map(({ batch }) => recordCountOf(batch))).toEqual([3, 3, 3, 3])
  }
})

test('it does not when what waits is in few batches, or nothing waits', () => {
  for (const topics of [1, 4, 8]) {
    const { producer } = fill(topics, ROOM_SHARE, 1024 * 1024)
    expect(producer.bufferedBytes).toBeLessThan((ROOM_SHARE + 0.01) * 1024 * 1024)
  }
})

test('it is backlogged while more batches wait than may be under way', () => {
  const { producer, publish, answer } = pair()
  for (let i = 0; i < 9; i++) {
    publish(`t/${i}`, 'x')
    expect([i, producer.isBacklogged]).toEqual([i, i === 8])
  }
  answer()
  expect(producer.isBacklogged).toBe(true)
  producer.flush()
  expect(producer.isBacklogged).toBe(false)
})
