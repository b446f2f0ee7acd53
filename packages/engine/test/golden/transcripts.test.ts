import { type Offset, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { batchOf } from '../support/client-batch.js'
import { EngineBench } from '../support/engine-bench.js'
import { Transcript } from '../support/transcript.js'
import { expectGoldenText } from './golden-files.js'

/** A bench with a connected publisher, number 1. */
function withPublisher(): Transcript {
  const bench = new EngineBench()
  bench.connect(1, null)
  return new Transcript(bench)
}

const commit = (bench: EngineBench) => bench.commit(bench.log.length)

function ack(bench: EngineBench, connectionId: number, from: number, to: number): void {
  bench.packet(connectionId, {
    type: PacketType.ACK,
    requestId: bench.requestId(),
    subscriptionId: 1,
    ranges: [from, to],
  })
}

test('a client connects and publishes', () => {
  const bench = new EngineBench()
  const story = new Transcript(bench)
  story.do('a client connects', () => bench.connect(1, 'p'))
  story.do('it publishes two messages', () => bench.publish(1, 'orders/eu', ['first', 'second'], { id: 7 }))
  story.do('and another', () => bench.publish(1, 'orders/us', ['third'], { id: 7, sequence: 2 }))
  story.do('everything commits', commit)
  story.do('it publishes to a topic of the broker', () => bench.publish(1, '$sys/x', ['x'], { id: 7, sequence: 3 }))
  story.do('it leaves', () => bench.leave(1))
  expectGoldenText('connect-and-publish', story.text)
})

test('a batch is sent again after a reconnect', () => {
  const story = withPublisher()
  const { bench } = story
  story.do('a message is published', () => bench.publish(1, 'a', ['once'], { id: 7 }))
  story.do('the connection is lost', () => bench.lose(1))
  story.do('the client connects again', () => bench.connect(2, null))
  story.do('and sends the message again', () => bench.publish(2, 'a', ['once'], { id: 7 }))
  story.do('the next one follows', () => bench.publish(2, 'a', ['next'], { id: 7, sequence: 1 }))
  story.do('everything commits', commit)
  expectGoldenText('duplicate-after-reconnect', story.text)
})

test('a durable subscriber leaves and comes back', () => {
  const story = withPublisher()
  const { bench } = story
  story.do('a client connects', () => bench.connect(2, 'c'))
  story.do('it subscribes', () => bench.subscribe(2, 1, ['a/+'], { name: 's' }))
  story.do('that commits', commit)
  story.do('the log is read', () => bench.answerRead())
  story.do('two messages are published', () => bench.publish(1, 'a/x', ['m1', 'm2'], { id: 7 }))
  story.do('they commit', commit)
  const first = bench.logEnd - 2
  story.do('it acknowledges the first', () => ack(bench, 2, first, first + 1))
  story.do('that commits', commit)
  story.do('it leaves', () => bench.leave(2))
  story.do('a message is published', () => bench.publish(1, 'a/y', ['m3'], { id: 7, sequence: 2 }))
  story.do('everything commits', commit)
  story.do('it connects', () => bench.connect(3, 'c'))
  story.do('that commits', commit)
  story.do('it subscribes', () => bench.subscribe(3, 1, ['a/+'], { name: 's' }))
  story.do('that commits', commit)
  story.do('the log is read', () => bench.answerRead())
  expectGoldenText('durable-subscriber-returns', story.text)
})

test('a consumer is slow', () => {
  const story = withPublisher()
  const { bench } = story
  story.do('a client connects', () => bench.connect(2, 'c'))
  story.do('it subscribes with credit for two messages', () => bench.subscribe(2, 1, ['a'], { messages: 2 }))
  story.do('three messages are published', () => bench.publish(1, 'a', ['m1', 'm2', 'm3'], { id: 7 }))
  story.do('they commit', commit)
  story.do('a fourth', () => bench.publish(1, 'a', ['m4'], { id: 7, sequence: 3 }))
  story.do('commits', commit)
  story.do('its connection takes no more', () => bench.engine.handleBlocked(2))
  story.do('it gives credit for ten', () =>
    bench.packet(2, { type: PacketType.CREDIT, subscriptionId: 1, messages: 10, bytes: 1000 }),
  )
  story.do('its connection takes more again', () => bench.engine.handleWritable(2, bench.nowMs))
  story.do('the log is read', () => bench.answerRead())
  expectGoldenText('slow-consumer', story.text)
})

test('a client id is taken over, and there is a will', () => {
  const story = withPublisher()
  const { bench } = story
  story.do('publisher subscribes to wills', () => bench.subscribe(1, 1, ['wills/#']))
  story.do('a client connects with a will', () =>
    bench.connect(2, 'c', { will: batchOf('wills/c', ['lost'], { id: 9 }) }),
  )
  story.do('another connection uses its client id', () => bench.sendConnect(3, 'c', { sessionExpirySec: 10 }))
  story.do('everything commits', commit)
  story.do('and again', commit)
  story.do('the client leaves', () => bench.leave(3))
  story.do('that commits', commit)
  story.do('the session expires', () => bench.pass(10_000))
  expect(bench.engine.stats['sessions']).toBe(0)
  expectGoldenText('take-over-with-will', story.text)
})

test('a consumer is overtaken by retention', () => {
  const story = withPublisher()
  const { bench } = story
  story.do('a policy is put', () => bench.putPolicy('a/#', { maxCount: 1 }))
  story.do('a client connects', () => bench.connect(2, 'c'))
  story.do('it subscribes with credit for one message', () =>
    bench.subscribe(2, 1, ['a/+'], { name: 's', messages: 1 }),
  )
  story.do('that commits', commit)
  story.do('the log is read', () => bench.answerRead())
  story.do('four messages are published, one of them retained', () => {
    bench.publish(1, 'a/x', ['m1'], { id: 7 })
    bench.publish(1, 'a/x', ['m2'], { id: 7, sequence: 1 })
    bench.publish(1, 'a/y', ['kept'], { id: 7, sequence: 2, retain: true })
    bench.publish(1, 'a/x', ['m4'], { id: 7, sequence: 3 })
  })
  story.do('they commit', commit)
  const last = bench.logEnd - 1
  story.do('a survey asks for a floor', () => void bench.survey(['a/#', last]))
  story.do('it commits', commit)
  story.do('the consumer gives credit', () =>
    bench.packet(2, { type: PacketType.CREDIT, subscriptionId: 1, messages: 10, bytes: 1000 }),
  )
  story.do('the log is read', () => bench.answerRead())
  story.do('the consumer leaves, without an acknowledgement', () => bench.leave(2))
  story.do('everything commits', commit)
  story.do('the cleaner removes what is dead', () => bench.clean())
  story.do('the client connects again', () => bench.connect(3, 'c'))
  story.do('and subscribes', () => bench.subscribe(3, 1, ['a/+'], { name: 's' }))
  story.do('that commits', commit)
  for (let i = 0; i < 3; i++) story.do('the log is read', () => bench.answerRead())
  story.do('it leaves, and its cursor waits for what it got', () => bench.leave(3))
  expectGoldenText('overtaken-by-retention', story.text)
})

test('the log of a leader is cut', () => {
  const story = withPublisher()
  const { bench } = story
  const start = bench.logEnd
  story.do('a client connects', () => bench.connect(2, 'c'))
  story.do('it subscribes', () => bench.subscribe(2, 1, ['a']))
  story.do('two batches are published', () => {
    bench.publish(1, 'a', ['kept'], { id: 7 })
    bench.publish(1, 'a', ['cut'], { id: 7, sequence: 1 })
  })
  story.do('the second is cut', () => bench.engine.handleTruncated((start + 1) as Offset, bench.nowMs))
  story.do('the first commits', () => bench.engine.handleCommitted((start + 1) as Offset, bench.nowMs))
  story.do('a client connects', () => bench.sendConnect(3, 'c'))
  expectGoldenText('truncated-leader', story.text)
})
