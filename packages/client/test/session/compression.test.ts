import {
  Attribute,
  batchBytesOf,
  Compression,
  compressionOf,
  DEFLATE_FEATURE,
  deflatedBatch,
  type GomqError,
  type Packet,
  PacketType,
  type PublishPacket,
  recordCountOf,
} from '@gomq/protocol'
import { crc32, deflate, inflate } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { Producer } from '../../src/session/producer.js'
import type { PublishAck } from '../../src/session/publish-batch.js'
import { ClientSession } from '../../src/session/session.js'
import type { SubscriptionState } from '../../src/session/subscription-state.js'
import { message, Outcome } from '../harness/messages.js'
import { ModelBroker } from '../harness/model-broker.js'
import { batchAt, connack } from '../harness/scripted-broker.js'
import { CLIENT, DEAF, DURABLE, drain } from '../harness/session-pair.js'

const WIDE = (text: string) => text.padEnd(1200)

function pair() {
  const sent: PublishPacket[] = []
  let id = 0
  const producer = new Producer({
    random: new SeededRandom(1),
    crc32,
    deflate,
    inflate,
    bufferBytesMax: 1024 * 1024,
    nextRequestId: () => ++id,
    send: (packet: Packet) => void sent.push({ ...(packet as PublishPacket) }),
    isWritable: () => true,
  })
  const broker = new ModelBroker()
  const publish = (value: string, init = {}): Outcome<PublishAck> => {
    const outcome = new Outcome<PublishAck>()
    producer.publish(message('t', value, init), outcome, 1000)
    producer.flush()
    return outcome
  }
  const answer = (packets: readonly PublishPacket[]): void => {
    for (const packet of packets) {
      const reply = broker.handlePublish(packet, null)
      if (reply?.type === PacketType.PUBACK) producer.handlePuback(reply)
      if (reply?.type === PacketType.ERROR) producer.handleRefused(reply)
    }
  }
  return { producer, sent, broker, publish, answer }
}

const compressionsOf = (packets: readonly PublishPacket[]) => packets.map(({ batch }) => compressionOf(batch))

describe('the producer', () => {
  test('compresses what gains by it, for a broker that takes it, and nothing else', () => {
    const { producer, sent, publish, answer, broker } = pair()
    producer.handleConnected(10, true)
    const outcomes = [publish(WIDE('a')), publish('b'), publish(WIDE('c'), { attributes: 1 | Attribute.RETAIN })]
    outcomes.push(publish(WIDE('d'), { attributes: 0 }))
    const { DEFLATE, NONE } = Compression
    expect(compressionsOf(sent)).toEqual([DEFLATE, NONE, NONE, DEFLATE])
    answer(sent.splice(0))
    expect(broker.stored.map(({ text }) => text.trimEnd())).toEqual(['a', 'b', 'c'])
    expect(outcomes.map((each) => each.value?.offset)).toEqual([0, 1, 2, -1])
    producer.handleConnected(10, false)
    publish(WIDE('e'))
    expect(compressionsOf(sent)).toEqual([NONE])
    producer.handleConnected(10, true)
    sent.length = 0
    publish(WIDE('f'))
    expect(compressionsOf(sent)).toEqual([DEFLATE])
  })

  test('sends the same compressed bytes again on the next connection', () => {
    const { producer, sent, publish } = pair()
    producer.handleConnected(10, true)
    publish(WIDE('a'))
    const [first] = sent.splice(0)
    producer.handleConnected(10, true)
    expect(sent).toHaveLength(1)
    expect(Buffer.compare(sent[0]!.batch, first!.batch)).toBe(0)
  })

  test('sends uncompressed, to a broker that does not take it, what it had compressed for another, and nothing twice', () => {
    const { producer, sent, publish, answer, broker } = pair()
    producer.handleConnected(1, true)
    const outcomes = [publish(WIDE('a')), publish(WIDE('b')), publish(WIDE('c'))]
    // Stored, but the answer is lost with the connection.
    for (const packet of sent) broker.handlePublish(packet, null)
    const [compressed] = sent.splice(0)
    producer.handleConnected(10, false)
    expect(compressionsOf(sent)).toEqual([Compression.NONE, Compression.NONE])
    expect(batchBytesOf(sent[0]!.batch)).toBeGreaterThan(batchBytesOf(compressed!.batch))
    answer(sent.splice(0))
    expect(outcomes.map((each) => each.value?.offset)).toEqual([0, 1, 2])
    expect(broker.stored.map(({ text }) => text.trimEnd())).toEqual(['a', 'b', 'c'])
  })

  test('sends compressed batches under a new producer epoch after a refusal', () => {
    const { producer, sent, publish, answer, broker } = pair()
    producer.handleConnected(10, true)
    const refused = publish(WIDE('a'))
    const kept = publish(WIDE('b'))
    const [first, second] = sent.splice(0)
    const reply = broker.handlePublish(first!, 'LIMIT_EXCEEDED')!
    if (reply.type === PacketType.ERROR) producer.handleRefused(reply)
    answer([second!])
    producer.flush()
    expect(compressionsOf(sent)).toEqual([Compression.DEFLATE])
    answer(sent.splice(0))
    expect([(refused.error as GomqError).code, kept.value?.offset]).toEqual(['LIMIT_EXCEEDED', 0])
    expect(broker.stored.map(({ text }) => text.trimEnd())).toEqual(['b'])
  })
})

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
