import type { PublishAck } from '@gomq/client'
import { expect, test } from 'vitest'
import { AckLane } from '../../src/bench/ack-lane.js'

const ACK = { offset: 1, epoch: 1, durability: 'synced' } as unknown as PublishAck

/** A lane, the publishes that are to be settled, and what became of them. */
function laneWith(count: number) {
  const settled: string[] = []
  const lane = new AckLane({
    handleAck: (fromMs) => settled.push(`ack ${fromMs}`),
    handleFailure: (sequence, error) => settled.push(`failure ${sequence} ${(error as Error).message}`),
  })
  const publishes = Array.from({ length: count }, (_, sequence) => {
    let resolve!: (ack: PublishAck) => void
    let reject!: (error: Error) => void
    const promise = new Promise<PublishAck>((...settle) => ([resolve, reject] = settle))
    lane.add(promise, 1000 + sequence, sequence)
    return { resolve: () => resolve(ACK), reject: (message: string) => reject(new Error(message)) }
  })
  return { lane, publishes, settled }
}

const microtasks = () => new Promise<void>((resolve) => setImmediate(resolve))

test('a lane tells of each acknowledgement and failure, in order', async () => {
  const { publishes, settled } = laneWith(3)
  publishes[0]!.resolve()
  publishes[1]!.reject('refused')
  publishes[2]!.resolve()
  await microtasks()
  expect(settled).toEqual(['ack 1000', 'failure 1 refused', 'ack 1002'])
})

test('a lane that was empty goes on with the next message', async () => {
  const { lane, publishes, settled } = laneWith(1)
  publishes[0]!.resolve()
  await microtasks()
  lane.add(Promise.resolve(ACK), 5, 1)
  await microtasks()
  expect(settled).toEqual(['ack 1000', 'ack 5'])
})

test('a lane that is never empty tells of every message once', async () => {
  const { lane, publishes, settled } = laneWith(10_000)
  for (const { resolve } of publishes) resolve()
  for (let each = 0; each < 3000; each++) lane.add(Promise.resolve(ACK), 11_000 + each, each)
  await microtasks()
  expect(settled).toEqual(Array.from({ length: 13_000 }, (_, each) => `ack ${1000 + each}`))
})
