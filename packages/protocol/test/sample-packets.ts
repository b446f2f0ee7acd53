import { encodeUtf8, epoch, NO_OFFSET, offset, type Packet, PacketType, partOfBatch } from '@gomq/protocol'
import { plainBatch } from './arbitraries.js'

const part = partOfBatch(plainBatch(6), [0, 1, 3, 5])

/** Packets of every type with every kind of field; the golden bytes are theirs, so a sample is never changed, only added. */
export const samplePackets: [name: string, packet: Packet][] = [
  [
    'connect',
    {
      type: PacketType.CONNECT,
      requestId: 1,
      versionMin: 1,
      versionMax: 3,
      features: ['groups', 'delay'],
      clientId: 'svc-1',
      namespace: 'tenant',
      authMethod: 'password',
      authData: encodeUtf8('user\u0000secret'),
      keepAliveSec: 30,
      agent: 'gomq-client 0.1.0',
    },
  ],
  [
    'connect-minimal',
    {
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
      agent: '',
    },
  ],
  [
    'connack',
    {
      type: PacketType.CONNACK,
      requestId: 1,
      version: 1,
      features: ['groups'],
      clientId: 'svc-1',
      sessionPresent: true,
      brokerId: 'b-1',
      epoch: epoch(7),
      brokerVersion: '0.1.0',
      frameBytesMax: 4_456_448,
      messageBytesMax: 4_194_304,
      keepAliveSec: 60,
      inflightBatchesMax: 64,
    },
  ],
  ['publish', { type: PacketType.PUBLISH, requestId: 2, batch: plainBatch(3) }],
  ['publish-qos0', { type: PacketType.PUBLISH, requestId: 0, batch: plainBatch(1, 'live', 0) }],
  [
    'puback',
    { type: PacketType.PUBACK, requestId: 2, baseOffset: offset(2 ** 40), epoch: epoch(7), durability: 'synced' },
  ],
  [
    'puback-forgotten',
    { type: PacketType.PUBACK, requestId: 3, baseOffset: NO_OFFSET, epoch: epoch(0), durability: 'replicated' },
  ],
  [
    'subscribe',
    {
      type: PacketType.SUBSCRIBE,
      requestId: 4,
      subscriptionId: 1,
      filters: ['orders/#', 'é/+'],
      qos: 1,
      name: 'billing',
      from: { kind: 'earliest' },
      creditMessages: 1000,
      creditBytes: 1_048_576,
    },
  ],
  ...(
    [
      ['new', { kind: 'new' }],
      ['offset', { kind: 'offset', offset: offset(4_294_967_296) }],
      ['time', { kind: 'time', timeMs: 1_700_000_000_000 }],
    ] as const
  ).map(([name, from]): [string, Packet] => [
    `subscribe-${name}`,
    {
      type: PacketType.SUBSCRIBE,
      requestId: 5,
      subscriptionId: 2,
      filters: ['a'],
      qos: 0,
      name: null,
      from,
      creditMessages: 0,
      creditBytes: 0xffff_ffff,
    },
  ]),
  ['suback', { type: PacketType.SUBACK, requestId: 4, subscriptionId: 1, startOffset: offset(12), resumed: false }],
  ['unsubscribe', { type: PacketType.UNSUBSCRIBE, requestId: 6, subscriptionId: 1, forget: true }],
  ['unsuback', { type: PacketType.UNSUBACK, requestId: 6 }],
  ['pingreq', { type: PacketType.PINGREQ, requestId: 7 }],
  ['pingresp', { type: PacketType.PINGRESP, requestId: 7 }],
  ['disconnect', { type: PacketType.DISCONNECT, code: 'SHUTTING_DOWN', message: 'the broker stops' }],
  ['disconnect-normal', { type: PacketType.DISCONNECT, code: null, message: '' }],
  ['deliver', { type: PacketType.DELIVER, subscriptionId: 1, header: null, ranges: null, payload: plainBatch(3) }],
  ['deliver-part', { type: PacketType.DELIVER, subscriptionId: 1, ...part }],
  ['ack', { type: PacketType.ACK, requestId: 8, subscriptionId: 1, ranges: [12, 15, 20, 21] }],
  ['acked', { type: PacketType.ACKED, requestId: 8 }],
  ['credit', { type: PacketType.CREDIT, subscriptionId: 1, messages: 500, bytes: 65_536 }],
  ['tail', { type: PacketType.TAIL, subscriptionId: 1, offset: offset(21) }],
  ['error', { type: PacketType.ERROR, requestId: 9, code: 'INVALID_TOPIC', message: 'the topic name is empty' }],
]
