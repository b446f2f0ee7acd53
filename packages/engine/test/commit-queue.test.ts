import { appendTimeMsOf, baseOffsetOf, type Epoch, epochOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { CommitQueue } from '../src/commit-queue.js'
import { batchOf } from './support/client-batch.js'

function setup(): { queue: CommitQueue; log: Uint8Array[]; append: (count?: number, nowMs?: number) => number } {
  const log: Uint8Array[] = []
  const outbox = {
    send() {},
    close() {},
    append: (batch: Uint8Array) => log.push(batch),
    read() {},
    findOffset() {},
    hold() {},
    release() {},
    wake() {},
  }
  const queue = new CommitQueue({ outbox, crc32, epoch: 3 as Epoch, logEndOffset: 10 as Offset, lastAppendTimeMs: 500 })
  const append = (count = 1, nowMs = 1000) =>
    queue.append(
      batchOf(
        'a',
        Array.from({ length: count }, () => 'x'),
      ),
      'a',
      nowMs,
      1,
      1,
    )
  return { queue, log, append }
}

/** Base offsets of what has committed below a high watermark. */
function taken(queue: CommitQueue, highWatermark: number): number[] {
  const offsets: number[] = []
  for (;;) {
    const pending = queue.takeCommitted(highWatermark as Offset)
    if (pending === undefined) return offsets
    offsets.push(baseOffsetOf(pending.batch))
  }
}

describe('the commit queue', () => {
  test('stamps offset, epoch and time, which never goes back', () => {
    const { log, append } = setup()
    append(3, 400)
    append(1, 900)
    append(1, 800)
    expect(log.map((batch) => [baseOffsetOf(batch), epochOf(batch), appendTimeMsOf(batch)])).toEqual([
      [10, 3, 500],
      [13, 3, 900],
      [14, 3, 900],
    ])
  })

  test('gives what ends at or below the high watermark, oldest first, once', () => {
    const { queue, append } = setup()
    for (let i = 0; i < 3; i++) append(2)
    expect(taken(queue, 13)).toEqual([10])
    expect(queue.isEmpty).toBe(false)
    expect(taken(queue, 16)).toEqual([12, 14])
    expect(queue.isEmpty).toBe(true)
    expect(taken(queue, 100)).toEqual([])
  })

  test('holds many thousands', () => {
    const { queue, append } = setup()
    for (let i = 0; i < 5000; i++) append()
    expect(taken(queue, 3000)).toHaveLength(2990)
    for (let i = 0; i < 100; i++) append()
    expect(taken(queue, 10_000)).toHaveLength(2110)
    expect(queue.isEmpty).toBe(true)
  })

  test('runs who waits in the order of offsets, once', () => {
    const { queue, append } = setup()
    for (let i = 0; i < 3; i++) append()
    const ran: number[] = []
    for (const end of [13, 11, 12]) queue.waitFor(end, () => ran.push(end))
    queue.runWaiters(12 as Offset)
    expect(ran).toEqual([11, 12])
    queue.runWaiters(13 as Offset)
    queue.runWaiters(14 as Offset)
    expect(ran).toEqual([11, 12, 13])
  })

  test('a client is settled when its last control record has committed; others are not held up', () => {
    const { queue } = setup()
    const ran: string[] = []
    queue.appendControl([{ kind: 'willSettled', clientId: 'c' }], 1)
    queue.appendControl([{ kind: 'forgetSession', clientId: 'c' }], 1)
    queue.whenSettled('c', () => ran.push('c'))
    queue.whenSettled('d', () => ran.push('d'))
    expect(ran).toEqual(['d'])
    taken(queue, 11)
    queue.runWaiters(11 as Offset)
    expect([queue.isUnsettled('c'), ran]).toEqual([true, ['d']])
    taken(queue, 12)
    queue.runWaiters(12 as Offset)
    expect([queue.isUnsettled('c'), ran]).toEqual([false, ['d', 'c']])
  })

  test('a truncation forgets what was cut and everybody who waits, and keeps what is below without its promises', () => {
    const { queue, append } = setup()
    const ran: string[] = []
    append(2)
    queue.appendControl([{ kind: 'forgetSession', clientId: 'c' }], 1, () => ran.push('committed'))
    append(2)
    queue.waitFor(12, () => ran.push('waited'))
    queue.truncate(13 as Offset)
    expect(queue.logEndOffset).toBe(13)
    expect(queue.isUnsettled('c')).toBe(false)
    expect(queue.takeCommitted(13 as Offset)).toMatchObject({ requestId: 0, connectionId: 0 })
    queue.takeCommitted(13 as Offset)?.onCommitted?.()
    queue.runWaiters(20 as Offset)
    expect(ran).toEqual([])
    expect(queue.takeCommitted(20 as Offset)).toBeUndefined()
  })
})
