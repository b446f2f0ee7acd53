import { PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { EngineBench } from './support/engine-bench.js'

function lagOf(bench: EngineBench, subscriptionId: number): number {
  const requestId = bench.requestId()
  bench.packet(1, { type: PacketType.LAGREQ, requestId, subscriptionId })
  const answer = bench.take(1).at(-1)
  if (answer?.type !== PacketType.LAGRESP) throw new Error(`the answer is of type ${answer?.type}`)
  expect(answer.requestId).toBe(requestId)
  return answer.highWatermark - answer.position
}

test('a subscription that has caught up has no lag, whatever was stored for others', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'])
  bench.publishFrom('other', ['1', '2', '3'])
  bench.take(1)
  expect(lagOf(bench, 1)).toBe(0)
})

test('a subscription without credit lags by all that was stored since, and no more once it was delivered', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'], { messages: 2 })
  bench.publishFrom('a', ['1', '2', '3', '4', '5'])
  bench.publishFrom('other', ['6'])
  bench.take(1)
  expect(lagOf(bench, 1)).toBe(4)
  bench.packet(1, { type: PacketType.CREDIT, subscriptionId: 1, messages: 100, bytes: 100 })
  bench.commitAll()
  bench.take(1)
  expect(lagOf(bench, 1)).toBe(0)
})

test('the lag of a subscription that is not there is refused', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.take(1)
  bench.packet(1, { type: PacketType.LAGREQ, requestId: 9, subscriptionId: 5 })
  expect(bench.take(1)).toMatchObject([{ type: PacketType.ERROR, requestId: 9, code: 'NO_SUCH_SUBSCRIPTION' }])
})
