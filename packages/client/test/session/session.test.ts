import { GomqError, type Packet, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { PublishAck } from '../../src/session/publish-batch.js'
import type { SubscriptionState } from '../../src/session/subscription-state.js'
import { message, Outcome } from '../harness/messages.js'
import { connack, ScriptedBroker } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, SessionPair } from '../harness/session-pair.js'

interface Story {
  readonly outcomes: Record<string, Outcome<unknown>>
  readonly received: string[]
  readonly broker: ScriptedBroker
  readonly crossings: number
}

/** Plays a session to its end and loses the connection when packet `cutAt` crosses, in whichever direction; again after `again` more. */
function play(cutAt: number, again: number, comesBack = true, qos: 1 | 2 = 1): Story {
  const pair = new SessionPair()
  const { session } = pair
  const broker = new ScriptedBroker()
  const outcomes: Record<string, Outcome<unknown>> = {}
  const received: string[] = []
  const wanted = <T>(name: string): Outcome<T> => (outcomes[name] = new Outcome<T>() as Outcome<unknown>) as Outcome<T>
  let crossings = 0
  let cutNext = cutAt
  let isOpen = false
  const cut = (): boolean => {
    if (crossings++ !== cutNext) return false
    cutNext = again > 0 && cutNext === cutAt ? cutAt + again : -1
    session.handleClosed()
    broker.handleClosed()
    pair.take()
    isOpen = false
    return true
  }
  const toClient = (packets: Packet[]) => {
    for (const packet of packets) {
      if (!isOpen || cut()) return
      session.handlePacket(packet, pair.nowMs)
    }
  }
  const settle = () => {
    for (let round = 0; round < 50; round++) {
      if (!isOpen && comesBack) {
        isOpen = true
        session.handleOpen(pair.nowMs)
      }
      session.flush(pair.nowMs)
      const packets = pair.take()
      if (packets.length === 0 && isOpen) break
      for (const packet of packets) {
        if (!isOpen || cut()) break
        toClient(broker.handle(packet))
      }
    }
    for (const state of session.subscriptions()) {
      for (let more = state.advance(); more; more = state.advance()) {
        const offset = state.records.offsetAt(state.index)
        received.push(`${state.id}@${offset}`)
        if (state.id === 1)
          state.ack(offset)?.onSettled((e) => (e === null ? wanted(`ack ${offset}`).resolve(null) : 0))
      }
    }
    pair.nowMs += 100
    session.handleTick(pair.nowMs)
  }
  const publish = (text: string) =>
    void session.publish(message('p', text, { attributes: qos }), wanted<PublishAck>(`publish ${text}`), pair.nowMs)

  isOpen = true
  session.handleOpen(pair.nowMs)
  settle()
  publish('one')
  publish('two')
  const durable = session.subscribe(
    { ...DURABLE, qos },
    DEAF,
    wanted<SubscriptionState>('subscribe durable'),
    pair.nowMs,
  )
  settle()
  toClient(broker.append('t/a', 'x', 'y', 'z'))
  settle()
  const ephemeral = { ...DURABLE, qos, name: null, from: { kind: 'earliest' } as const }
  const other = session.subscribe(ephemeral, DEAF, wanted<SubscriptionState>('subscribe other'), pair.nowMs)
  const later = { ...ephemeral, from: { kind: 'new' } as const, retained: true }
  session.subscribe(later, DEAF, wanted<SubscriptionState>('subscribe later'), pair.nowMs)
  settle()
  toClient(broker.append('t/b', 'u', 'v'))
  publish('three')
  settle()
  session.unsubscribe(other, false, wanted<void>('close other'), pair.nowMs)
  settle()
  toClient(broker.append('t/a', 'w'))
  settle()
  settle()
  session.unsubscribe(durable, true, wanted<void>('forget durable'), pair.nowMs)
  settle()
  settle()
  settle()
  for (let i = 0; i < 400 && !comesBack; i++) settle()
  return { outcomes, received, broker, crossings }
}

const STEPS = play(-1, 0).crossings

describe('a session', () => {
  test.each([1, 2] as const)(
    'of QoS %i settles everything with success, delivers once and stores once, wherever the connection breaks',
    (qos) => {
      expect(STEPS).toBeGreaterThan(25)
      for (let cutAt = 0; cutAt < STEPS; cutAt++) {
        for (const again of [0, 1, 2, 5]) {
          const { outcomes, received, broker } = play(cutAt, again, true, qos)
          const label = `cut at ${cutAt}, again after ${again}`
          const failed = Object.entries(outcomes).filter(([, outcome]) => outcome.value === undefined)
          expect(failed, label).toEqual([])
          expect(new Set(received).size, `${label}: once each`).toBe(received.length)
          const durable = received.filter((each) => each.startsWith('1@'))
          expect(durable, label).toEqual(['1@0', '1@1', '1@2', '1@10', '1@11', '1@20'])
          const other = received.filter((each) => each.startsWith('2@'))
          expect(other, label).toEqual(['2@0', '2@1', '2@2', '2@10', '2@11'])
          const later = received.filter((each) => each.startsWith('3@'))
          // What was stored before a 'new' subscription stands is either retained or too old.
          expect(later.slice(0, 3), `${label}: retained first`).toEqual(['3@0', '3@1', '3@2'])
          expect(later.slice(-1), label).toEqual(['3@20'])
          expect(
            broker.model.stored.map((each) => each.text),
            label,
          ).toEqual(['one', 'two', 'three'])
          expect(broker.durables.size, `${label}: forgotten`).toBe(0)
        }
      }
    },
  )

  test('settles everything when the connection never comes back', () => {
    for (let cutAt = 0; cutAt < STEPS; cutAt++) {
      const { outcomes } = play(cutAt, 0, false)
      const pending = Object.entries(outcomes).filter(([, outcome]) => !outcome.isSettled)
      expect(pending, `cut at ${cutAt}`).toEqual([])
    }
  })

  test('settles everything when it is ended', () => {
    const pair = new SessionPair()
    const outcomes = [new Outcome<PublishAck>(), new Outcome<SubscriptionState>(), new Outcome<void>()] as const
    pair.session.publish(message('t', 'x'), outcomes[0], 1000)
    const state = pair.session.subscribe(DURABLE, DEAF, outcomes[1], 1000)
    pair.session.unsubscribe(state, true, outcomes[2], 1000)
    pair.session.end(new GomqError('CLOSED', ''), null)
    expect(outcomes.map((each) => (each.error as GomqError).code)).toEqual(['CLOSED', 'CLOSED', 'CLOSED'])
    expect(state.end).toBe(null)
    expect(pair.session.isIdle).toBe(true)
  })

  test.each(['SESSION_TAKEN_OVER', 'AUTH_FAILED', 'NOT_AUTHORIZED', 'UNSUPPORTED_VERSION'] as const)(
    'is over for good when the broker says %s',
    (code) => {
      const pair = established()
      pair.session.handlePacket({ type: PacketType.DISCONNECT, code, message: 'so' }, 1000)
      expect(pair.expelled.map((each) => each.code)).toEqual([code])
    },
  )

  test('waits for another connection when the broker is stopping', () => {
    const pair = established()
    pair.session.handlePacket({ type: PacketType.DISCONNECT, code: 'SHUTTING_DOWN', message: '' }, 1000)
    expect([pair.expelled.length, pair.disconnects.map((each) => each?.code)]).toEqual([0, ['SHUTTING_DOWN']])
  })

  test('refuses a packet that only a client sends', () => {
    const pair = established()
    const packet: Packet = { type: PacketType.CREDIT, subscriptionId: 1, messages: 1, bytes: 1 }
    expect(() => pair.session.handlePacket(packet, 1000)).toThrow(/not allowed here/)
  })

  test('answers pings, pings in silence, and gives up a broker that is silent for 1.5 times the keep-alive', () => {
    const pair = established()
    pair.session.handlePacket({ type: PacketType.PINGREQ, requestId: 9 }, 1000)
    expect(pair.take()).toEqual([{ type: PacketType.PINGRESP, requestId: 9 }])
    pair.session.handleTick(1000 + 15_000)
    expect(pair.take().map((each) => each.type)).toEqual([PacketType.PINGREQ])
    pair.session.handleTick(1000 + 44_999)
    expect(pair.disconnects).toEqual([])
    pair.session.handleTick(1000 + 45_000)
    expect(pair.disconnects.map((each) => each?.code)).toEqual(['KEEP_ALIVE_TIMEOUT'])
  })

  test('opens a subscription once when it is made while the client is told of the connection', () => {
    const pair = new SessionPair()
    pair.session.handleOpen(1000)
    const outcome = new Outcome<SubscriptionState>()
    Object.defineProperty(pair, 'connected', {
      get: () => 0,
      set: () => pair.session.subscribe(DURABLE, DEAF, outcome, 1000),
    })
    pair.session.handlePacket(connack(), 1000)
    expect(pair.take().filter((each) => each.type === PacketType.SUBSCRIBE).length).toBe(1)
  })
})

function established(): SessionPair {
  const pair = new SessionPair()
  pair.session.handleOpen(1000)
  pair.session.handlePacket(connack(), 1000)
  pair.take()
  return pair
}
