import { type Offset, type Packet, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { Outcome } from '../harness/messages.js'
import { batchAt, connack } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, SessionPair } from '../harness/session-pair.js'

function subscribed() {
  const pair = new SessionPair()
  const { session } = pair
  session.handleOpen(1000)
  session.handlePacket(connack(), 1000)
  const lags: number[] = []
  const listener = { ...DEAF, handleLag: (lagRecords: number) => void lags.push(lagRecords) }
  const state = session.subscribe(DURABLE, listener, new Outcome(), 1000)
  const { requestId } = pair.take().at(-1) as Packet & { requestId: number }
  session.handlePacket(
    { type: PacketType.SUBACK, requestId, subscriptionId: 1, startOffset: 0 as Offset, resumed: false },
    1000,
  )
  const asked = () => pair.take().filter((packet) => packet.type === PacketType.LAGREQ)
  const answer = (requestId: number, position: number, highWatermark: number) =>
    session.handlePacket(
      { type: PacketType.LAGRESP, requestId, position: position as Offset, highWatermark: highWatermark as Offset },
      1000,
    )
  return { session, state, lags, asked, answer }
}

test('nobody listens: nothing is asked', () => {
  const { session, asked } = subscribed()
  for (let nowMs = 1000; nowMs < 10_000; nowMs += 100) session.handleTick(nowMs)
  expect(asked()).toEqual([])
})

test('somebody listens: asked once a second, but not while an answer is on its way', () => {
  const { session, asked, answer } = subscribed()
  session.watchLag(true, 1000)
  session.handleTick(1000)
  session.handleTick(2500)
  const [first, ...more] = asked()
  expect(more).toEqual([])
  answer(first!.requestId, 0, 0)
  session.handleTick(2600)
  expect(asked()).toEqual([])
  session.handleTick(3500)
  expect(asked().length).toBe(1)
  session.watchLag(false, 3500)
  session.handleTick(9000)
  expect(asked()).toEqual([])
})

test('what waits here counts, and a lag is told when it changed', () => {
  const { session, state, lags, asked, answer } = subscribed()
  session.watchLag(true, 1000)
  const ask = (nowMs: number, position: number, highWatermark: number) => {
    session.handleTick(nowMs)
    answer(asked()[0]!.requestId, position, highWatermark)
  }
  ask(1000, 0, 0)
  session.handlePacket(
    { type: PacketType.DELIVER, subscriptionId: 1, header: null, ranges: null, payload: batchAt(0, 't/a', 'x', 'y') },
    1000,
  )
  ask(2000, 2, 10)
  ask(3000, 2, 10)
  while (state.advance());
  ask(4000, 10, 10)
  expect(lags).toEqual([10, 0])
})

test('a question that went down with its connection is asked again on the next, and a refusal is no error', () => {
  const { session, asked } = subscribed()
  session.watchLag(true, 1000)
  session.handleTick(1000)
  session.handleClosed()
  session.handleOpen(1500)
  session.handlePacket(connack(), 1500)
  asked()
  session.handleTick(2000)
  const [again] = asked()
  session.handlePacket(
    { type: PacketType.ERROR, requestId: again!.requestId, code: 'NO_SUCH_SUBSCRIPTION', message: '' },
    2000,
  )
  session.handleTick(3000)
  expect(asked().length).toBe(1)
})
