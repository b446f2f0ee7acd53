import {
  Attribute,
  BatchBuilder,
  type ConnectPacket,
  type Packet,
  PacketType,
  type ProducerId,
  type SubscribePacket,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'

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
