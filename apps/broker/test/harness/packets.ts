import {
  Attribute,
  BatchBuilder,
  type ConnectPacket,
  deflatedBatch,
  type Packet,
  PacketType,
  type ProducerId,
  recordsStartOf,
  type SubscribePacket,
  stampProducer,
} from '@gomq/protocol'
import { crc32, deflate } from '@gomq/protocol/node'

export function connectPacket(fields: Partial<ConnectPacket> = {}): ConnectPacket {
  return {
    type: PacketType.CONNECT,
    requestId: 1,
    versionMin: 1,
    versionMax: 1,
    features: [],
    clientId: null,
    namespace: null,
    authMethod: null,
    authData: null,
    keepAliveSec: 0,
    agent: 'test',
    cleanSession: false,
    sessionExpirySec: 604_800,
    will: null,
    willDelaySec: 0,
    ...fields,
  }
}

export function subscribePacket(fields: Partial<SubscribePacket> = {}): SubscribePacket {
  return {
    type: PacketType.SUBSCRIBE,
    requestId: 2,
    subscriptionId: 1,
    filters: ['#'],
    qos: 1,
    name: null,
    from: { kind: 'earliest' },
    creditMessages: 1_000_000,
    creditBytes: 1_000_000_000,
    retained: false,
    ...fields,
  }
}

export interface BatchInput {
  qos?: 0 | 1 | 2
  retain?: boolean
  producerId?: number
  firstSequence?: number
}

/** A batch of text messages. */
export function batchOf(topic: string, values: (string | Uint8Array)[], input: BatchInput = {}): Uint8Array {
  const builder = new BatchBuilder(topic, (input.qos ?? 1) | (input.retain === true ? Attribute.RETAIN : 0))
  for (const value of values) builder.append({ timestampDeltaMs: 0, key: null, value, headers: null })
  return builder.finish(
    {
      baseTimestampMs: 1_700_000_000_000,
      producerId: (input.producerId ?? 0) as ProducerId,
      producerEpoch: 0,
      firstSequence: input.firstSequence ?? 0,
    },
    crc32,
  )
}

export function publishPacket(requestId: number, batch: Uint8Array): Packet {
  return { type: PacketType.PUBLISH, requestId, batch }
}

/** A batch of text messages, compressed; each is filled up with spaces, so that this gains something. */
export function compressedBatchOf(topic: string, values: string[], input: BatchInput = {}): Uint8Array {
  const plain = batchOf(
    topic,
    values.map((value) => value.padEnd(1100)),
    input,
  )
  const batch = deflatedBatch(plain, deflate, crc32)
  stampProducer(batch, { producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }, crc32)
  return batch
}

/** A compressed batch with sound checksums and nothing behind them. */
export function lyingBatchOf(topic: string, values: string[]): Uint8Array {
  const batch = compressedBatchOf(topic, values)
  batch.fill(0xff, recordsStartOf(batch))
  stampProducer(batch, { producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 }, crc32)
  return batch
}
