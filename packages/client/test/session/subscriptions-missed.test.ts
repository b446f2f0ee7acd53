import { type Offset, type Packet, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { Outcome } from '../harness/messages.js'
import { batchAt, connack } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, drain, SessionPair } from '../harness/session-pair.js'

function subscribed(init: Partial<typeof DURABLE> = {}) {
  const pair = new SessionPair()
  const { session } = pair
  const told: number[][] = []
  const listener = { ...DEAF, handleMissed: (from: Offset, to: Offset) => void told.push([from, to]) }
  const state = session.subscribe({ ...DURABLE, ...init }, listener, new Outcome(), 1000)
  const receive = (packet: Packet) => session.handlePacket(packet, 1000)
  const missed = (from: number, to: number, subscriptionId = 1) =>
    receive({ type: PacketType.MISSED, subscriptionId, from: from as Offset, to: to as Offset })
  const deliver = (offset: number, ...values: string[]) =>
    receive({
      type: PacketType.DELIVER,
      subscriptionId: 1,
      header: null,
      ranges: null,
      payload: batchAt(offset, 't/a', ...values),
    })
  /** Connects and answers SUBSCRIBE, which is returned. */
  const connect = (startOffset: number) => {
    session.handleClosed()
    session.handleOpen(1000)
    receive(connack())
    const packet = pair.take().findLast(({ type }) => type === PacketType.SUBSCRIBE)
    if (packet?.type !== PacketType.SUBSCRIBE) throw new Error('no SUBSCRIBE was sent')
    const { requestId } = packet
    const resumed = startOffset > 0
    receive({ type: PacketType.SUBACK, requestId, subscriptionId: 1, startOffset: startOffset as Offset, resumed })
    return packet
  }
  connect(0)
  return { session, state, told, missed, deliver, connect }
}

test('what retention removed is told, and the messages behind it follow', () => {
  const { state, told, missed, deliver } = subscribed()
  deliver(0, 'a')
  missed(1, 40)
  deliver(40, 'b')
  expect(told).toEqual([[1, 40]])
  expect(drain(state)).toEqual([
    [0, 'a'],
    [40, 'b'],
  ])
})

test('on the next connection it is not told again, and nothing from before it is asked for', () => {
  const { told, missed, connect } = subscribed({ name: null })
  missed(0, 40)
  expect(connect(0).from).toEqual({ kind: 'offset', offset: 40 })
  missed(0, 40)
  expect(told).toEqual([[0, 40]])
  missed(20, 50)
  expect(told).toEqual([
    [0, 40],
    [40, 50],
  ])
})

test('what was delivered before was not missed, though the broker cannot deliver it again', () => {
  const { state, told, missed, deliver, connect } = subscribed()
  deliver(0, 'a', 'b', 'c')
  drain(state)
  connect(3)
  missed(0, 2)
  expect(told).toEqual([])
  missed(1, 10)
  expect(told).toEqual([[3, 10]])
})

test('a message in a stretch that was missed is handed out if it comes all the same', () => {
  const { state, missed, deliver, connect } = subscribed()
  missed(0, 40)
  connect(0)
  deliver(10, 'kept again')
  expect(drain(state)).toEqual([[10, 'kept again']])
})

test('a subscription that has ended, or is not known, is told nothing', () => {
  const { session, state, told, missed } = subscribed()
  missed(0, 10, 7)
  session.unsubscribe(state, false, new Outcome(), 1000)
  missed(0, 10)
  expect(told).toEqual([])
})
