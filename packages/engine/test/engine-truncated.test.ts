import { type Offset, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { batchOf } from './support/client-batch.js'
import { EngineBench } from './support/engine-bench.js'

/** What was appended from the end of batch `count` on never was: another broker leads. */
function truncate(bench: EngineBench, toOffset: number): void {
  bench.engine.handleTruncated(toOffset as Offset, bench.nowMs)
}

describe('a leader whose log was cut', () => {
  test('sends every client away with NOT_LEADER, and acknowledges nothing any more', () => {
    const bench = new EngineBench()
    bench.connect(1, 'p')
    bench.connect(2, 'c')
    bench.subscribe(2, 1, ['a'])
    const start = bench.logEnd
    bench.publish(1, 'a', ['kept'], { id: 7 })
    bench.publish(1, 'a', ['cut'], { id: 7, sequence: 1 })
    bench.take(1)
    bench.take(2)
    truncate(bench, start + 1)
    expect(bench.takeRefusal(1)).toBe('NOT_LEADER')
    expect(bench.takeRefusal(2)).toBe('NOT_LEADER')
    bench.engine.handleCommitted((start + 1) as Offset, bench.nowMs)
    expect(bench.take(1)).toEqual([])
    expect(bench.take(2)).toEqual([])
  })

  test('appends nothing any more: no cursor, no will, no expiry', () => {
    const bench = new EngineBench()
    bench.connect(2, 'c', { will: batchOf('w', ['lost'], { id: 9 }), sessionExpirySec: 10 })
    bench.subscribe(2, 1, ['a'], { name: 's' })
    bench.publishFrom('a', ['m1', 'm2'])
    const [first] = bench.takeDelivered(2)
    const offset = first!.offset
    // Two batches are on their way, so that the acknowledgement waits for a commit.
    const start = bench.logEnd
    bench.publish(900, 'a', ['kept'])
    bench.publish(900, 'a', ['cut'])
    bench.packet(2, { type: PacketType.ACK, requestId: 5, subscriptionId: 1, ranges: [offset, offset + 1] })
    const batches = bench.log.length
    truncate(bench, start + 1)
    bench.engine.handleCommitted((start + 1) as Offset, bench.nowMs)
    bench.engine.handleClosed(2, bench.nowMs)
    bench.engine.handleTick(bench.nowMs + 1e9)
    expect(bench.log.length).toBe(batches)
  })

  test('has nothing to do at any time', () => {
    const bench = new EngineBench()
    bench.connect(2, 'c', { will: batchOf('w', ['lost'], { id: 9 }), willDelaySec: 10 })
    bench.lose(2)
    bench.commitAll()
    truncate(bench, bench.logEnd)
    expect(bench.engine.nextDeadlineMs()).toBeUndefined()
  })

  test('lets nobody in', () => {
    const bench = new EngineBench()
    truncate(bench, bench.logEnd)
    bench.sendConnect(1, 'c')
    expect(bench.takeRefusal(1)).toBe('NOT_LEADER')
  })

  test('goes on applying what had committed: its snapshot is that of the log', () => {
    const bench = new EngineBench()
    bench.connect(1, 'p')
    const start = bench.logEnd
    for (let i = 0; i < 5; i++) bench.publish(1, `t${i}`, ['v'], { retain: true, id: 7, sequence: i })
    truncate(bench, start + 3)
    bench.engine.handleCommitted((start + 2) as Offset, bench.nowMs)
    expect(bench.engine.stats['retainedMessages']).toBe(2)
    bench.engine.handleCommitted((start + 3) as Offset, bench.nowMs)
    expect(bench.engine.stats['retainedMessages']).toBe(3)
    const twin = new EngineBench({ log: bench.log.slice(0, -2) })
    expect([...twin.engine.snapshotEntries()]).toEqual([...bench.engine.snapshotEntries()])
  })
})

test('a broker that is starting lets nobody in, and names no deadline but silence', () => {
  const bench = new EngineBench()
  bench.crash({ commits: false })
  bench.sendConnect(1, 'c')
  expect(bench.takeRefusal(1)).toBe('NO_LEADER')
  expect(bench.engine.nextDeadlineMs()).toBeUndefined()
  bench.commitAll()
  bench.sendConnect(2, 'c')
  expect(bench.takeConnack(2)).toBeDefined()
})
