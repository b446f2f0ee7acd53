import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { BatchBuilder } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BatchQueue } from '../../src/session/batch-queue.js'
import { PublishBatch } from '../../src/session/publish-batch.js'

test('a queue of batches does what an array does', () => {
  const random = new SeededRandom(7)
  const below = (max: number) => Math.floor(random.next() * max)
  const queue = new BatchQueue()
  let twin: PublishBatch[] = []
  let longest = 0
  for (let step = 0; step < 20_000; step++) {
    const made = Array.from({ length: 1 + below(3) }, () => batch())
    const what = below(100)
    if (what < 52) {
      queue.push(made[0]!)
      twin.push(made[0]!)
    } else if (what < 98) {
      if (twin.length > 0) queue.shift()
      twin.shift()
    } else if (what < 99) {
      queue.unshift(made)
      twin.unshift(...made)
    } else {
      const isMeant = (each: PublishBatch) => each.timeoutMs === 3
      expect(queue.take(isMeant)).toEqual(twin.filter(isMeant))
      twin = twin.filter((each) => !isMeant(each))
    }
    longest = Math.max(longest, twin.length)
    expect(queue.length).toBe(twin.length)
    expect(queue.first).toBe(twin[0])
    if (step % 500 === 0) expect([...queue]).toEqual(twin)
  }
  expect(longest).toBeGreaterThan(200)
  expect(queue.takeAll()).toEqual(twin)
  expect([queue.length, queue.first, ...queue]).toEqual([0, undefined])

  function batch(): PublishBatch {
    return new PublishBatch(new BatchBuilder('t', 1), below(20), 0)
  }
})

test('a queue of batches lets go of the memory of those that left', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const queue = new BatchQueue()
  const refs: WeakRef<PublishBatch>[] = []
  for (let i = 0; i < 50; i++) {
    const batch = new PublishBatch(new BatchBuilder('t', 1), i, 0)
    refs.push(new WeakRef(batch))
    queue.push(batch)
  }
  for (let i = 0; i < 49; i++) queue.shift()
  await new Promise((resolve) => setTimeout(resolve, 0))
  collect()
  expect(refs.filter((ref) => ref.deref() !== undefined).length).toBeLessThan(5)
  expect(queue.first?.timeoutMs).toBe(49)
})
