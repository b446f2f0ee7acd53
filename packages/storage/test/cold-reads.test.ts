import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { ColdReads } from '../src/cold-reads.js'
import { settle } from './support/open-sim-log.js'

/** A read that ends when it is told. */
function slowRead(): { run: () => Promise<string>; end: () => void; begun: () => boolean } {
  let end = () => {}
  let begun = false
  const gate = new Promise<void>((resolve) => (end = resolve))
  return {
    run: async () => {
      begun = true
      await gate
      return 'read'
    },
    end: () => end(),
    begun: () => begun,
  }
}

describe('cold reads', () => {
  test('never run more at once than allowed, also when one comes just as another ends', async () => {
    const random = new SeededRandom(5)
    const reads = new ColdReads(2)
    let running = 0
    let most = 0
    const all: Promise<void>[] = []
    for (let i = 0; i < 500; i++) {
      all.push(
        reads.run(async () => {
          most = Math.max(most, ++running)
          for (let turns = random.below(4); turns > 0; turns--) await Promise.resolve()
          running--
        }),
      )
      for (let turns = random.below(6); turns > 0; turns--) await Promise.resolve()
    }
    await Promise.all(all)
    expect(most).toBe(2)
  })

  test('are served in the order in which they came, and a failed one makes room too', async () => {
    const reads = new ColdReads(1)
    const order: number[] = []
    const failed = reads.run(() => Promise.reject(new Error('no')))
    const others = [1, 2, 3].map((n) => reads.run(async () => void order.push(n)))
    await expect(failed).rejects.toThrow('no')
    await Promise.all(others)
    expect(order).toEqual([1, 2, 3])
  })

  test('wait while somebody is alone, who waits for those under way', async () => {
    const reads = new ColdReads(2)
    const first = slowRead()
    const later = slowRead()
    const running = reads.run(first.run)
    let isAlone = false
    let leave = () => {}
    const alone = reads.alone(async () => {
      isAlone = true
      await new Promise<void>((resolve) => (leave = resolve))
      isAlone = false
    })
    const waiting = reads.run(later.run)
    await settle()
    expect([isAlone, later.begun()]).toEqual([false, false])
    first.end()
    await running
    await settle()
    expect([isAlone, later.begun()]).toEqual([true, false])
    leave()
    await alone
    await settle()
    expect(later.begun()).toBe(true)
    later.end()
    expect(await waiting).toBe('read')
  })
})
