import { type ErrorCode, type GomqError, type Offset, type Packet, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { SubscriptionState } from '../../src/session/subscription-state.js'
import { Outcome } from '../harness/messages.js'
import { batchAt, connack } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, drain, SessionPair } from '../harness/session-pair.js'

function opened(isAnswered = true, init: Partial<typeof DURABLE> = {}) {
  const pair = new SessionPair()
  const { session } = pair
  session.handleOpen(1000)
  session.handlePacket(connack(), 1000)
  pair.take()
  const standing = new Outcome<SubscriptionState>()
  const state = session.subscribe({ ...DURABLE, ...init }, DEAF, standing, 1000)
  const asked = pair.take()[0] as Packet & { requestId: number }
  const answer = (packet: object) => session.handlePacket(packet as Packet, 1000)
  const suback = () =>
    answer({
      type: PacketType.SUBACK,
      requestId: asked.requestId,
      subscriptionId: 1,
      startOffset: 0 as Offset,
      resumed: false,
    })
  const refuse = (requestId: number, code: ErrorCode) =>
    answer({ type: PacketType.ERROR, requestId, code, message: '' })
  if (isAnswered) suback()
  const leave = (forget = false) => {
    const outcome = new Outcome<void>()
    session.unsubscribe(state, forget, outcome, 1000)
    return outcome
  }
  const deliver = () => {
    answer({
      type: PacketType.DELIVER,
      subscriptionId: 1,
      header: null,
      ranges: null,
      payload: batchAt(0, 't/a', 'x', 'y'),
    })
    return drain(state)
  }
  const types = () => pair.take().map((packet) => packet.type)
  return { pair, session, standing, state, asked, answer, suback, refuse, leave, deliver, types }
}
const codeOf = (outcome: { error: Error | undefined }) => (outcome.error as GomqError | undefined)?.code

describe('ending a subscription', () => {
  test('waits for the acknowledgements made before', () => {
    const { session, state, answer, leave, deliver, pair } = opened()
    deliver()
    const ack = state.ack(0 as Offset)!
    const left = leave()
    const packets = pair.take()
    expect(packets.map((packet) => packet.type)).toEqual([PacketType.ACK])
    answer({ type: PacketType.ACKED, requestId: ack.requestId })
    expect(ack.outcome).toBe(null)
    const last = pair.take()[0] as Packet & { requestId: number }
    expect([last.type, left.isSettled]).toEqual([PacketType.UNSUBSCRIBE, false])
    answer({ type: PacketType.UNSUBACK, requestId: last.requestId })
    expect([left.value, state.end, session.isIdle]).toEqual([true, null, true])
  })

  test('again, while it is under way, waits for the same end and asks once', () => {
    const { answer, leave, pair } = opened()
    const outcomes = [leave(), leave()]
    const packets = pair.take() as (Packet & { requestId: number })[]
    expect(packets.length).toBe(1)
    answer({ type: PacketType.UNSUBACK, requestId: packets[0]!.requestId })
    expect(outcomes.map((each) => each.value)).toEqual([true, true])
    expect([leave().value, codeOf(leave(true))]).toEqual([true, 'CLOSED'])
  })

  test('before it stands fails those who wait for it to stand', () => {
    const { answer, leave, pair, standing, suback } = opened(false)
    const left = leave()
    expect(pair.take(), 'the broker may not know it yet').toEqual([])
    suback()
    const asked = pair.take()[0] as Packet & { requestId: number }
    answer({ type: PacketType.UNSUBACK, requestId: asked.requestId })
    expect([codeOf(standing), left.value]).toEqual(['CLOSED', true])
  })

  test('of one that the broker does not know is done', () => {
    const { refuse, leave, pair } = opened()
    const left = leave()
    refuse((pair.take()[0] as Packet & { requestId: number }).requestId, 'NO_SUCH_SUBSCRIPTION')
    expect(left.value).toBe(true)
  })

  test('without a connection is done at once, unless it is to be forgotten', () => {
    const plain = opened()
    plain.session.handleClosed()
    expect(plain.leave().value).toBe(true)
    const forgotten = opened()
    forgotten.session.handleClosed()
    const left = forgotten.leave(true)
    expect(left.isSettled).toBe(false)
    forgotten.session.handleOpen(1000)
    forgotten.session.handlePacket(connack(), 1000)
    expect(forgotten.types()).toEqual([PacketType.CONNECT, PacketType.SUBSCRIBE])
    forgotten.suback()
    expect(forgotten.types()).toEqual([PacketType.UNSUBSCRIBE])
    forgotten.session.handleTick(11_000)
    expect(codeOf(left)).toBe('TIMEOUT')
  })
})

describe('opening a subscription', () => {
  test('past its deadline fails, and takes it back where the broker has it', () => {
    const { session, standing, suback, types } = opened(false)
    session.handleTick(10_999)
    expect(standing.isSettled).toBe(false)
    // A sign of life is asked for while it waits.
    expect(types()).toEqual([PacketType.PINGREQ])
    session.handleTick(11_000)
    expect([codeOf(standing), types()]).toEqual(['TIMEOUT', [PacketType.UNSUBSCRIBE]])
    suback()
    expect(types()).toEqual([PacketType.UNSUBSCRIBE])
  })

  test('that is refused fails with the reason', () => {
    const { standing, refuse, asked, state } = opened(false)
    refuse(asked.requestId, 'LIMIT_EXCEEDED')
    expect([codeOf(standing), state.end?.code]).toEqual(['LIMIT_EXCEEDED', 'LIMIT_EXCEEDED'])
  })

  test('refused by a broker that stops goes on with the next connection', () => {
    const { session, standing, refuse, asked, types } = opened(false)
    refuse(asked.requestId, 'SHUTTING_DOWN')
    session.handleClosed()
    session.handleOpen(1000)
    session.handlePacket(connack(), 1000)
    expect([standing.isSettled, types()]).toEqual([false, [PacketType.CONNECT, PacketType.SUBSCRIBE]])
  })

  test('again on another connection, refused, ends the iteration with the reason', () => {
    const { session, pair, refuse, state } = opened()
    session.handleClosed()
    session.handleOpen(1000)
    session.handlePacket(connack(), 1000)
    const again = pair.take()[1] as Packet & { requestId: number }
    refuse(again.requestId, 'OFFSET_OUT_OF_RANGE')
    expect(state.end?.code).toBe('OFFSET_OUT_OF_RANGE')
  })
})

test('on another connection acknowledgements, credit and the end wait until the subscription stands there', () => {
  const { session, state, deliver, suback, types, pair, leave } = opened()
  const flush = () => session.flush(1000)
  deliver()
  state.ack(0 as Offset)
  flush()
  expect(types()).toEqual([PacketType.ACK])
  session.handleClosed()
  session.handleOpen(1000)
  session.handlePacket(connack(), 1000)
  state.ack(1 as Offset)
  deliver()
  flush()
  expect(types(), 'the broker may carry out SUBSCRIBE later').toEqual([PacketType.CONNECT, PacketType.SUBSCRIBE])
  leave(true)
  expect(types()).toEqual([])
  suback()
  const [ack, ...more] = pair.take() as (Packet & { requestId: number })[]
  expect([ack!.type, more]).toEqual([PacketType.ACK, []])
})

test('what was consumed before a subscription stands again is given back as credit then', () => {
  const { session, state, answer, suback, types } = opened()
  answer({
    type: PacketType.DELIVER,
    subscriptionId: 1,
    header: null,
    ranges: null,
    payload: batchAt(0, 't/a', ...'abcdef'),
  })
  session.handleClosed()
  session.handleOpen(1000)
  session.handlePacket(connack(), 1000)
  expect(drain(state)).toHaveLength(6)
  session.flush(1000)
  expect(types()).toEqual([PacketType.CONNECT, PacketType.SUBSCRIBE])
  suback()
  expect(types()).toEqual([PacketType.CREDIT])
})

describe('acknowledgements that may gather', () => {
  const gathering = () => opened(true, { gathersAcks: true })

  test('wait for their time, and go together then', () => {
    const { session, state, deliver, pair, types } = gathering()
    deliver()
    state.ack(0 as Offset)
    expect(session.flush(1000, false)).toBe(true)
    state.ack(1 as Offset)
    expect([session.flush(1000, false), types()]).toEqual([true, []])
    expect(session.flush(1005, true)).toBe(false)
    expect(pair.take()).toMatchObject([{ type: PacketType.ACK, ranges: [0, 2] }])
    expect(session.flush(1010, false), 'nothing more waits').toBe(false)
  })

  test('hold up neither credit nor another subscription', () => {
    const { session, state, answer, types, pair } = gathering()
    const payload = batchAt(0, 't/a', ...'abcdef')
    answer({ type: PacketType.DELIVER, subscriptionId: 1, header: null, ranges: null, payload })
    const other = session.subscribe(DURABLE, DEAF, new Outcome<SubscriptionState>(), 1000)
    const asked = pair.take()[0] as Packet & { requestId: number }
    const startOffset = 0 as Offset
    answer({ type: PacketType.SUBACK, requestId: asked.requestId, subscriptionId: 2, startOffset, resumed: false })
    answer({ type: PacketType.DELIVER, subscriptionId: 2, header: null, ranges: null, payload: batchAt(0, 't/a', 'x') })
    expect(drain(state)).toHaveLength(6)
    drain(other)
    state.ack(0 as Offset)
    other.ack(0 as Offset)
    expect(session.flush(1000, false)).toBe(true)
    expect(types().sort()).toEqual([PacketType.ACK, PacketType.CREDIT].sort())
  })

  test('go at once when the subscription ends, and again when it stands on another connection', () => {
    const left = gathering()
    left.deliver()
    left.state.ack(0 as Offset)
    left.session.flush(1000, false)
    left.leave()
    expect(left.types()).toEqual([PacketType.ACK])

    const lost = gathering()
    lost.deliver()
    lost.state.ack(0 as Offset)
    lost.session.flush(1000, false)
    lost.session.handleClosed()
    lost.session.handleOpen(1000)
    lost.session.handlePacket(connack(), 1000)
    lost.types()
    lost.suback()
    expect(lost.types()).toEqual([PacketType.ACK])
  })

  test('wait for the answer to those before, and their time again', () => {
    const { session, state, deliver, answer, pair, types } = gathering()
    deliver()
    state.ack(0 as Offset)
    session.flush(1000, true)
    const first = pair.take()[0] as Packet & { requestId: number }
    state.ack(1 as Offset)
    expect([session.flush(1000, true), types()]).toEqual([false, []])
    answer({ type: PacketType.ACKED, requestId: first.requestId })
    expect([session.flush(1001, false), types()]).toEqual([true, []])
    session.flush(1006, true)
    expect(types()).toEqual([PacketType.ACK])
  })
})
