import {
  Attribute,
  batchBytesOf,
  Compression,
  compressionOf,
  type GomqError,
  type Packet,
  PacketType,
  type PublishPacket,
} from '@gomq/protocol'
import { crc32, deflate, inflate } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { Producer } from '../../src/session/producer.js'
import type { PublishAck } from '../../src/session/publish-batch.js'
import { message, Outcome } from '../harness/messages.js'
import { ModelBroker } from '../harness/model-broker.js'

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
      if (reply?.type === PacketType.ERROR) producer.handleRefused(reply, 0)
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
    if (reply.type === PacketType.ERROR) producer.handleRefused(reply, 0)
    answer([second!])
    producer.flush()
    expect(compressionsOf(sent)).toEqual([Compression.DEFLATE])
    answer(sent.splice(0))
    expect([(refused.error as GomqError).code, kept.value?.offset]).toEqual(['LIMIT_EXCEEDED', 0])
    expect(broker.stored.map(({ text }) => text.trimEnd())).toEqual(['b'])
  })
})
