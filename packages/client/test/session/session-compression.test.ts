import {
  Compression,
  compressionOf,
  DEFLATE_FEATURE,
  deflatedBatch,
  type Packet,
  PacketType,
  type PublishPacket,
  recordCountOf,
} from '@gomq/protocol'
import { crc32, deflate, inflate } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import type { PublishAck } from '../../src/session/publish-batch.js'
import { ClientSession } from '../../src/session/session.js'
import type { SubscriptionState } from '../../src/session/subscription-state.js'
import { message, Outcome } from '../harness/messages.js'
import { batchAt, connack } from '../harness/scripted-broker.js'
import { CLIENT, DEAF, DURABLE, drain } from '../harness/session-pair.js'

const WIDE = (text: string) => text.padEnd(1200)

const compressionsOf = (packets: readonly PublishPacket[]) => packets.map(({ batch }) => compressionOf(batch))

describe('a session', () => {
  function session(init: object): { session: ClientSession; sent: Packet[] } {
    const sent: Packet[] = []
    const outbox = { send: (packet: Packet) => void sent.push(packet), disconnect() {}, connected() {}, expelled() {} }
    return {
      session: new ClientSession({ ...CLIENT, requestTimeoutMs: 1000, bufferBytesMax: 1_000_000, outbox, ...init }),
      sent,
    }
  }

  test.each([
    ['asks for compressed batches whether or not it compresses itself', { inflate }, [DEFLATE_FEATURE]],
    ['asks for them when it compresses', { inflate, deflate }, [DEFLATE_FEATURE]],
    ['that cannot read them does not ask for them', {}, []],
  ])('%s', (_, init, features) => {
    const { session: it, sent } = session(init)
    it.handleOpen(1000)
    expect(sent[0]).toMatchObject({ type: PacketType.CONNECT, features })
  })

  test.each([
    [[DEFLATE_FEATURE], Compression.DEFLATE],
    [[], Compression.NONE],
  ])('compresses only if CONNACK grants it: %j', (features, compression) => {
    const { session: it, sent } = session({ inflate, deflate })
    it.handleOpen(1000)
    it.handlePacket(connack({ features }), 1000)
    it.publish(message('t', WIDE('a')), new Outcome<PublishAck>(), 1000)
    it.flush(1000)
    expect(compressionsOf(sent.filter((packet) => packet.type === PacketType.PUBLISH))).toEqual([compression])
  })

  function standing(request: object): { it: ClientSession; sent: Packet[]; state: SubscriptionState } {
    const { session: it, sent } = session({ inflate })
    it.handleOpen(1000)
    it.handlePacket(connack({ features: [DEFLATE_FEATURE] }), 1000)
    const state = it.subscribe({ ...DURABLE, ...request }, DEAF, new Outcome<never>(), 1000)
    const { requestId } = sent.find((packet) => packet.type === PacketType.SUBSCRIBE)!
    const subscriptionId = state.id
    it.handlePacket(
      { type: PacketType.SUBACK, requestId, subscriptionId, startOffset: 0 as never, resumed: false },
      1000,
    )
    return { it, sent, state }
  }

  test('takes of a compressed batch that came whole only the ranges that are meant, and counts their credit', () => {
    const { it, sent, state } = standing({ prefetchMessages: 4 })
    const plain = batchAt(100, 't/x', ...['a', 'b', 'c', 'd', 'e'].map(WIDE))
    const payload = deflatedBatch(plain, deflate, crc32)
    expect([compressionOf(payload), recordCountOf(payload)]).toEqual([Compression.DEFLATE, 5])
    const deliver = { type: PacketType.DELIVER, subscriptionId: state.id, header: null, payload } as const
    it.handlePacket({ ...deliver, ranges: [1, 2, 3, 5] }, 1000)
    expect(drain(state).map(([offset, text]) => [offset, text.trimEnd()])).toEqual([
      [101, 'b'],
      [103, 'd'],
      [104, 'e'],
    ])
    sent.length = 0
    it.flush(1000)
    const bytes = 3 * (WIDE('').length + 7)
    expect(sent).toEqual([{ type: PacketType.CREDIT, subscriptionId: state.id, messages: 3, bytes }])
    // The same batch once more, whole: what came already is a repetition.
    it.handlePacket({ ...deliver, ranges: null }, 1000)
    expect(drain(state)).toEqual([])
  })

  test('a batch that is more than the prefetch is handed out whole, and its credit goes back as it is consumed', () => {
    const { it, sent, state } = standing({ prefetchMessages: 2, prefetchBytes: 1e6 })
    const payload = deflatedBatch(batchAt(100, 't/x', ...['a', 'b', 'c', 'd'].map(WIDE)), deflate, crc32)
    it.handlePacket({ type: PacketType.DELIVER, subscriptionId: state.id, header: null, ranges: null, payload }, 1000)
    let given = 0
    for (let consumed = 1; state.advance(); consumed++) {
      sent.length = 0
      it.flush(1000)
      for (const packet of sent) if (packet.type === PacketType.CREDIT) given += packet.messages
      expect(given).toBe(consumed)
    }
    expect(given).toBe(4)
  })
})
