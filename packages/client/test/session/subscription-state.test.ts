import { DeliveredRecords, GomqError, NO_OFFSET, type Offset, PacketType } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { UNACKED_RANGES_MAX } from '../../src/session/limits.js'
import { type SubscriptionRequest, SubscriptionState } from '../../src/session/subscription-state.js'
import { batchAt } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, drain } from '../harness/session-pair.js'

let id = 0
const nextId = () => ++id
const records = (offset: number, ...values: string[]) =>
  DeliveredRecords.ofBatch(batchAt(offset, 't', ...values), crc32)
const offset = (value: number) => value as Offset
const open = (init: Partial<SubscriptionRequest> = {}) => new SubscriptionState(1, { ...DURABLE, ...init }, DEAF)
const ackOf = (state: SubscriptionState) => state.takeAcks(nextId).map((packet) => packet.ranges)

test('acknowledgements go in ranges, one group at a time, and what comes meanwhile goes together in the next', () => {
  const state = open()
  state.handleDeliver(records(0, 'a', 'b', 'c', 'd'))
  drain(state)
  const first = state.ack(offset(1))!
  expect(ackOf(state)).toEqual([[1, 2]])
  const second = state.ack(offset(0))!
  state.ack(offset(3))
  expect(ackOf(state)).toEqual([])
  state.handleAckAnswer(first.requestId, null)
  expect([first.outcome, second.outcome]).toEqual([null, undefined])
  expect(ackOf(state)).toEqual([[0, 1, 3, 4]])
})

test('a repeated delivery is dropped, and acknowledged again if the application had acknowledged it', () => {
  const state = open()
  state.handleDeliver(records(0, 'a', 'b', 'c'))
  expect(drain(state).length).toBe(3)
  const group = state.ack(offset(1))!
  ackOf(state)
  state.handleAckAnswer(group.requestId, null)
  state.subscribePacket(nextId())
  state.handleDeliver(records(0, 'a', 'b', 'c', 'd'))
  expect(drain(state)).toEqual([[3, 'd']])
  expect(ackOf(state)).toEqual([[1, 2]])
})

test('acknowledgements without an answer are sent again on the next connection, and fail at the end', () => {
  const state = open()
  state.handleDeliver(records(0, 'a', 'b'))
  drain(state)
  const sent = state.ack(offset(0))!
  ackOf(state)
  const waiting = state.ack(offset(1))!
  expect(state.repeatAcks(nextId).map((packet) => packet.ranges)).toEqual([[0, 1]])
  state.finish(null, new GomqError('CLOSED', ''))
  expect([sent.outcome?.code, waiting.outcome?.code]).toEqual(['CLOSED', 'CLOSED'])
  expect(state.ack(offset(0))).toBe(undefined)
})

test('what was refused can be acknowledged again', () => {
  const state = open()
  state.handleDeliver(records(0, 'a'))
  drain(state)
  const group = state.ack(offset(0))!
  ackOf(state)
  state.handleAckAnswer(group.requestId, new GomqError('DISK_FULL', ''))
  expect([group.outcome?.code, state.unackedRanges]).toEqual(['DISK_FULL', 1])
  state.ack(offset(0))
  expect([ackOf(state), state.unackedRanges]).toEqual([[[0, 1]], 0])
})

test('nobody keeps acknowledgements of a subscription without a name or of QoS 0', () => {
  for (const init of [{ name: null }, { qos: 0 as const }]) {
    const state = open(init)
    state.handleDeliver(records(0, 'a'))
    expect([state.ack(offset(0)), state.unackedRanges]).toEqual([undefined, 0])
  }
})

test('granted, waiting and consumed credit add up to the prefetch, over connections too', () => {
  const state = open()
  expect(state.subscribePacket(1)).toMatchObject({ creditMessages: 8, creditBytes: 1000 })
  state.handleDeliver(records(0, 'a', 'b', 'c', 'd', 'e'))
  for (let i = 0; i < 3; i++) state.advance()
  expect(state.takeCredit()).toBe(undefined)
  state.advance()
  expect(state.takeCredit()).toMatchObject({ messages: 4 })
  expect(state.takeCredit()).toBe(undefined)
  expect(state.subscribePacket(2)).toMatchObject({ creditMessages: 7 })
})

test('with a full queue there is credit for what comes again, so that its acknowledgement can be answered', () => {
  const state = open({ prefetchMessages: 2, prefetchBytes: 10 })
  state.handleDeliver(records(0, 'a', 'b', 'c'))
  state.advance()
  state.ack(offset(0))
  expect(state.subscribePacket(1)).toMatchObject({ creditMessages: 1, creditBytes: 1 })
  state.handleDeliver(records(0, 'a'))
  expect(state.takeCredit(), 'a repetition takes no room').toMatchObject({ messages: 1 })
  expect(state.takeCredit()).toBe(undefined)
  state.handleDeliver(records(1, 'b'))
  expect(state.takeCredit()).toMatchObject({ messages: 1 })
  expect(drain(state)).toEqual([
    [1, 'b'],
    [2, 'c'],
  ])
  expect(open({ prefetchMessages: 2 }).subscribePacket(1)).toMatchObject({ creditMessages: 2 })
})

test('a subscription goes on from the end of what was delivered or caught up with', () => {
  const state = open({ name: null })
  expect(state.subscribePacket(1).from).toEqual({ kind: 'earliest' })
  state.handleSuback({ type: 6, requestId: 1, subscriptionId: 1, startOffset: offset(5), resumed: false } as never)
  expect(state.subscribePacket(2).from).toEqual({ kind: 'offset', offset: 5 })
  state.handleDeliver(records(7, 'a', 'b'))
  expect(state.subscribePacket(3).from).toEqual({ kind: 'offset', offset: 9 })
  state.handleTail(offset(20))
  expect(state.subscribePacket(4).from).toEqual({ kind: 'offset', offset: 20 })
})

test('one that reads until the end takes nothing after its tail, and asks for nothing', () => {
  const state = open({ untilEnd: true })
  state.handleDeliver(records(0, 'a', 'b', 'c', 'd'))
  state.handleTail(offset(4))
  state.handleDeliver(records(4, 'e'))
  expect(state.isExhausted).toBe(false)
  expect(drain(state).length).toBe(4)
  expect([state.isExhausted, state.takeCredit()]).toEqual([true, undefined])
})

test('a consumer that leaves gaps unacknowledged without end gets no more credit until it fills some', () => {
  const state = open({ prefetchMessages: 1, prefetchBytes: 1_000_000 })
  for (let i = 0; i <= UNACKED_RANGES_MAX; i++) state.handleDeliver(records(2 * i, 'x'))
  while (state.advance());
  expect(state.takeCredit()).toBe(undefined)
  state.ack(offset(0))
  expect(state.takeCredit()).toMatchObject({ messages: UNACKED_RANGES_MAX + 1 })
})

test('one that leaves hands out nothing more and still takes acknowledgements', () => {
  const state = open()
  state.handleDeliver(records(0, 'a', 'b'))
  state.advance()
  state.leave()
  expect([state.advance(), state.isOver, state.end]).toEqual([false, true, undefined])
  state.ack(offset(0))
  expect(ackOf(state)).toEqual([[0, 1]])
})

const suback = (startOffset: number, resumed = false) =>
  ({ type: PacketType.SUBACK, requestId: 1, subscriptionId: 1, startOffset: offset(startOffset), resumed }) as const
const asked = (state: SubscriptionState) => {
  const { from, retained } = state.subscribePacket(nextId())
  return [from, retained]
}

test('a subscription that has got nothing from its start on asks for the retained messages again, and drops those it had', () => {
  for (const name of [null, 'd']) {
    const state = open({ name, from: { kind: 'new' }, retained: true })
    expect(asked(state)).toEqual([{ kind: 'new' }, true])
    state.handleSuback(suback(50))
    state.handleDeliver(records(7, 'a'))
    expect(drain(state)).toEqual([[7, 'a']])
    expect(asked(state)).toEqual([{ kind: 'offset', offset: 50 }, true])
    state.handleSuback(suback(50))
    state.handleDeliver(records(7, 'a'))
    state.handleDeliver(records(9, 'b'))
    expect(drain(state)).toEqual([[9, 'b']])
    state.handleDeliver(records(50, 'c'))
    expect(asked(state)).toEqual([{ kind: 'offset', offset: 51 }, false])
  }
})

test('a subscription that has caught up does not ask for retained messages again', () => {
  const state = open({ name: null, from: { kind: 'new' }, retained: true })
  state.handleSuback(suback(50))
  state.handleTail(offset(50))
  expect(asked(state)).toEqual([{ kind: 'offset', offset: 50 }, false])
})

test('what lies below the start of a new subscription was retained, over reconnects too, and messages in no log were not', () => {
  const state = open({ name: null, from: { kind: 'new' }, retained: true })
  state.handleSuback(suback(50))
  state.handleSuback(suback(60))
  expect([49, 50, 55, NO_OFFSET].map((each) => state.isRetained(offset(each)))).toEqual([true, false, false, false])
})

test('what a subscription gets again that the broker knew before is not called retained', () => {
  const state = open({ retained: true })
  state.handleSuback(suback(50, true))
  expect(state.isRetained(offset(7))).toBe(false)
})
