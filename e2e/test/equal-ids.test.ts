import {
  type AckedPacket,
  BatchBuilder,
  DeliveredRecords,
  type DeliverPacket,
  type ErrorPacket,
  PacketType,
  type ProducerId,
  type PubackPacket,
  type SubackPacket,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { RawPeer } from './support/raw-peer.js'
import { readAll } from './support/read-all.js'

const ROUNDS = process.env['GOMQ_LONG'] ? 200 : 20
const PUBLISHES = 50
const seed = Number(process.env['GOMQ_SEED'] ?? 91_009)
const QOS = 2
const NAMES = ['left', 'right'] as const

test('two connections that use the same request ids, subscription ids and sequences at the same time never disturb each other', async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start()
  const counts = { acked: 0, refused: 0, delivered: 0, acknowledged: 0, again: 0 }
  for (let round = 0; round < ROUNDS; round++) {
    const where = `round ${round}, seed ${seed}`
    const open = () => Promise.all(NAMES.map((name) => RawPeer.connect(broker.tcp, `${name}-${round}`)))
    const peers = await open()
    for (const [i, peer] of peers.entries()) subscribe(peer, topicOf(i, round))
    await Promise.all(peers.map((peer) => peer.until(() => peer.of<SubackPacket>(PacketType.SUBACK).length === 1)))

    // Request ids 100, 101, ... of both, in the same turns. One of each pair is refused where the other is taken.
    const refusedAt = NAMES.map((_, i) => 1 + i + 2 * random.below(PUBLISHES / 2 - 1))
    const sequences = [0, 0]
    for (let at = 0; at < PUBLISHES; at++) {
      for (const i of random.chance(0.5) ? [0, 1] : [1, 0]) {
        const isRefused = refusedAt[i] === at
        const firstSequence = isRefused ? sequences[i]! + 1000 : sequences[i]!++
        const batch = batchOf(topicOf(i, round), textOf(i, at), producerOf(i, round), firstSequence)
        peers[i]!.send({ type: PacketType.PUBLISH, requestId: 100 + at, batch })
      }
      if (random.chance(0.2)) await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(peers.map((peer) => peer.until(() => deliveredTo(peer).length === PUBLISHES - 1)))
    await Promise.all(
      peers.map((peer) => peer.until(() => peer.of<PubackPacket>(PacketType.PUBACK).length === PUBLISHES - 1)),
    )

    for (const [i, peer] of peers.entries()) {
      const own = `${NAMES[i]}, ${where}`
      const delivered = deliveredTo(peer)
      const texts = Array.from({ length: PUBLISHES }, (_, at) => textOf(i, at)).filter((_, at) => at !== refusedAt[i])
      expect(
        delivered.map(({ text }) => text),
        own,
      ).toEqual(texts)
      const textAt = new Map(delivered.map(({ offset, text }) => [offset, text]))
      for (const { requestId, baseOffset } of peer.of<PubackPacket>(PacketType.PUBACK))
        expect(textAt.get(baseOffset), own).toBe(textOf(i, requestId - 100))
      expect(peer.of<ErrorPacket>(PacketType.ERROR), own).toMatchObject([
        { requestId: 100 + refusedAt[i]!, code: 'OUT_OF_SEQUENCE' },
      ])
      counts.acked += texts.length
      counts.refused++
      counts.delivered += delivered.length
    }

    // Both acknowledge with the same request id: the left one everything, the right one its first message.
    for (const [i, peer] of peers.entries()) {
      const offsets = deliveredTo(peer).map(({ offset }) => offset)
      const ranges = (i === 0 ? offsets : offsets.slice(0, 1)).flatMap((offset) => [offset, offset + 1])
      peer.send({ type: PacketType.ACK, requestId: 500, subscriptionId: 1, ranges: joined(ranges) })
      counts.acknowledged += ranges.length / 2
    }
    await Promise.all(peers.map((peer) => peer.until(() => peer.of<AckedPacket>(PacketType.ACKED).length === 1)))
    expect(peers.map((peer) => peer.of<AckedPacket>(PacketType.ACKED)[0]!.requestId)).toEqual([500, 500])
    await Promise.all(peers.map((peer) => peer.destroy()))

    const back = await open()
    for (const [i, peer] of back.entries()) subscribe(peer, topicOf(i, round))
    await Promise.all(back.map((peer) => peer.until(() => peer.of(PacketType.TAIL).length > 0)))
    const again = back.map((peer) => deliveredTo(peer).map(({ text }) => text))
    expect(again[0], where).toEqual([])
    expect(again[1], where).toEqual(
      Array.from({ length: PUBLISHES }, (_, at) => textOf(1, at)).filter((_, at) => at !== refusedAt[1] && at !== 0),
    )
    counts.again += again[1]!.length
    await Promise.all(back.map((peer) => peer.destroy()))
  }
  const stored = await readAll(broker.url, 'equal/#')
  console.log(
    `equal ids (seed ${seed}): ${ROUNDS} rounds of ${NAMES.length} connections; ${counts.acked} acked, ${counts.refused} refused, ${counts.delivered} delivered, ` +
      `${counts.acknowledged} acknowledged, ${counts.again} delivered again; stored ${stored.length}`,
  )
  expect(stored).toHaveLength(counts.acked)
}, 600_000)

function topicOf(i: number, round: number): string {
  return `equal/${NAMES[i]}/${round}`
}

function textOf(i: number, at: number): string {
  return `${NAMES[i]}:${at}`
}

function producerOf(i: number, round: number): ProducerId {
  return (1_000 * (i + 1) + round) as ProducerId
}

function subscribe(peer: RawPeer, topic: string): void {
  peer.send({
    type: PacketType.SUBSCRIBE,
    requestId: 2,
    subscriptionId: 1,
    filters: [topic],
    qos: QOS,
    name: 'same',
    from: { kind: 'new' },
    creditMessages: 10_000,
    creditBytes: 10_000_000,
    retained: false,
  })
}

function batchOf(topic: string, text: string, producerId: ProducerId, firstSequence: number): Uint8Array {
  const builder = new BatchBuilder(topic, QOS)
  builder.append({ timestampDeltaMs: 0, key: null, value: text, headers: null })
  return builder.finish({ baseTimestampMs: 1, producerId, producerEpoch: 0, firstSequence }, crc32)
}

function deliveredTo(peer: RawPeer): { readonly offset: number; readonly text: string }[] {
  return peer.of<DeliverPacket>(PacketType.DELIVER).flatMap(({ header, ranges, payload }) => {
    const records =
      header === null || ranges === null
        ? DeliveredRecords.ofBatch(payload, crc32)
        : DeliveredRecords.ofPart(header, ranges, payload)
    return Array.from({ length: records.count }, (_, i) => {
      const { value } = records.record(i)
      return { offset: records.offsetAt(i), text: typeof value === 'string' ? value : new TextDecoder().decode(value) }
    })
  })
}

/** Pairs that touch become one. */
function joined(ranges: readonly number[]): number[] {
  const joint: number[] = []
  for (let i = 0; i < ranges.length; i += 2) {
    if (joint.at(-1) === ranges[i]) joint[joint.length - 1] = ranges[i + 1]!
    else joint.push(ranges[i]!, ranges[i + 1]!)
  }
  return joint
}
