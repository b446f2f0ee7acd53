import { type ErrorCode, type Packet, PacketType, type PublishPacket } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { Producer } from '../../src/session/producer.js'
import type { PublishAck } from '../../src/session/publish-batch.js'
import { message, Outcome } from './messages.js'
import { ModelBroker } from './model-broker.js'

/** A producer and a model of its broker, with a window of four; the test carries the packets. */
export function producerPair(bufferBytesMax: number = 1024 * 1024) {
  const sent: PublishPacket[] = []
  const line = { isOpen: true, nowMs: 1000 }
  let id = 0
  const producer = new Producer({
    random: new SeededRandom(1),
    crc32,
    bufferBytesMax,
    nextRequestId: () => ++id,
    send: (packet: Packet) => void sent.push({ ...(packet as PublishPacket) }),
    isWritable: () => line.isOpen,
  })
  const broker = new ModelBroker()
  const answer = (refusal: ErrorCode | null = null): void => {
    for (const packet of sent.splice(0)) reply(broker.handlePublish(packet, refusal))
  }
  const reply = (packet: Packet | undefined): void => {
    if (packet?.type === PacketType.PUBACK) producer.handlePuback(packet)
    if (packet?.type === PacketType.ERROR) producer.handleRefused(packet, line.nowMs)
  }
  const publish = (topic: string, value: string, init = {}, nowMs = 1000): Outcome<PublishAck> => {
    const outcome = new Outcome<PublishAck>()
    if (producer.publish(message(topic, value, init), outcome, nowMs)) producer.flush()
    return outcome
  }
  producer.handleConnected(4)
  return { producer, sent, line, broker, answer, reply, publish }
}
