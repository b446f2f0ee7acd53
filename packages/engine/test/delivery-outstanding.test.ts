import { PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { OUTSTANDING_RANGES_MAX } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

test('a subscriber that acknowledges nothing gets no more separate ranges than the limit, and goes on when it acknowledges', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  bench.subscribe(1, 1, ['a'], { name: 'd' })
  bench.commitAll()
  for (let i = 0; i < OUTSTANDING_RANGES_MAX + 5; i++) {
    bench.publishFrom('a', [`${i}`])
    bench.publishFrom('other', ['between'])
  }
  const delivered = bench.takeDelivered(1)
  expect(delivered.length).toBe(OUTSTANDING_RANGES_MAX + 1)
  const ranges = [delivered[0]!.offset, delivered.at(-1)!.offset + 1]
  bench.packet(1, { type: PacketType.ACK, requestId: 0, subscriptionId: 1, ranges })
  bench.commitAll()
  expect(bench.takeTexts(1)).toEqual([1, 2, 3, 4].map((i) => `${OUTSTANDING_RANGES_MAX + i}`))
})

test('a SUBSCRIBE whose subscription is forgotten before it stands is answered with an error', () => {
  const bench = new EngineBench()
  bench.connect(1, 'c')
  const subscribed = bench.subscribe(1, 1, ['a'], { name: 'd' })
  const forgotten = bench.requestId()
  bench.packet(1, { type: PacketType.UNSUBSCRIBE, requestId: forgotten, subscriptionId: 1, forget: true })
  bench.take(1)
  bench.commitAll()
  expect(bench.take(1)).toMatchObject([
    { type: PacketType.ERROR, requestId: subscribed, code: 'NO_SUCH_SUBSCRIPTION' },
    { type: PacketType.UNSUBACK, requestId: forgotten },
  ])
})
