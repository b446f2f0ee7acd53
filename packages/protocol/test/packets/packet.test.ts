import {
  decodePacket,
  encodeFrame,
  encodeFrameHead,
  encodeMsgpack,
  epoch,
  GomqError,
  NO_OFFSET,
  offset,
  PACKET_TABLES,
  type Packet,
  PacketType,
  type PublishPacket,
  readU32,
} from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { plainBatch } from '../arbitraries.js'
import { samplePackets } from '../sample-packets.js'

const malformed = expect.objectContaining({ code: 'MALFORMED_FRAME' })
/** The packet after a way over the wire. */
const sent = (packet: Packet) => decodePacket(encodeFrame(packet).subarray(4))
/** What a peer would make of these array elements. */
const arrived = (...values: unknown[]) => decodePacket(encodeMsgpack(values))

describe('packets', () => {
  test.each(samplePackets)('%s comes back as it was', (_, packet) => {
    const frame = encodeFrame(packet)
    expect(readU32(frame, 0)).toBe(frame.byteLength - 4)
    expect(sent(packet)).toEqual(packet)
  })

  test('there is a sample of every packet, so that no packet goes untested', () => {
    const sampled = new Set<number>(samplePackets.map(([, packet]) => packet.type))
    expect([...sampled].sort((a, b) => a - b)).toEqual(Object.keys(PACKET_TABLES).map(Number))
    expect(Object.values(PacketType)).toEqual(Object.keys(PACKET_TABLES).map(Number))
    for (const [name, type] of Object.entries(PacketType)) expect(PACKET_TABLES[type].name).toBe(name)
  })

  test.each(samplePackets)('%s with fields that a later version added is read all the same', (_, packet) => {
    const { type, ...fields } = packet
    const table = PACKET_TABLES[type]
    const values = Object.entries(table.fields).map(([name, field]) =>
      (field as { encode(value: unknown): unknown }).encode((fields as Record<string, unknown>)[name]),
    )
    expect(arrived(type, ...values, 'later', [1, { x: 2 }])).toEqual(packet)
    const needed = Object.values(table.fields).filter((field) => !(field as { isAddedLater?: boolean }).isAddedLater)
    if (needed.length > 0)
      expect(() => arrived(type, ...values.slice(0, needed.length - 1))).toThrow(/has \d+ fields; expected \d+/)
  })

  test('DISCONNECT of a peer that knows no leader reads as one without, and one without is sent as such a peer expects it', () => {
    const without = { type: PacketType.DISCONNECT, code: null, message: 'bye' } as const
    expect(arrived(PacketType.DISCONNECT, null, 'bye')).toEqual({ ...without, leader: null })
    expect(arrived(PacketType.DISCONNECT, null, 'bye', null)).toEqual({ ...without, leader: null })
    expect(encodeFrame({ ...without, leader: null }).subarray(4)).toEqual(
      encodeMsgpack([PacketType.DISCONNECT, null, 'bye']),
    )
    expect(() => arrived(PacketType.DISCONNECT, null, 'bye', 7)).toThrow(malformed)
  })

  test('the head of PUBLISH and DELIVER, followed by the payload, is the whole frame', () => {
    for (const [, packet] of samplePackets) {
      if (packet.type !== PacketType.PUBLISH && packet.type !== PacketType.DELIVER) continue
      const payload = packet.type === PacketType.PUBLISH ? packet.batch : packet.payload
      const frame = Buffer.concat([encodeFrameHead(packet), payload])
      expect(readU32(frame, 0)).toBe(frame.byteLength - 4)
      expect(decodePacket(Uint8Array.from(frame.subarray(4)))).toEqual(packet)
    }
  })

  test('the payload of a decoded packet is a view on the frame', () => {
    const frame = encodeFrame({ type: PacketType.PUBLISH, requestId: 1, batch: plainBatch(1) }).subarray(4)
    expect((decodePacket(frame) as PublishPacket).batch.buffer).toBe(frame.buffer)
  })

  test.each<[string, unknown[]]>([
    ['no type', []],
    ['type 0', [0]],
    ['a reserved type', [5, 1]],
    ['a type that is no integer', [1.5]],
    ['a type that is text', ['3']],
    ['a type named like a property of arrays', ['length']],
    ['a request id that is negative', [12, -1]],
    ['a request id above 32 bits', [12, 2 ** 32]],
    ['a request id that is text', [12, '1']],
    ['a request id that is nil', [12, null]],
    ['a batch that is text', [3, 1, 'batch']],
    ['an unknown durability', [4, 1, 0, 0, 3]],
    ['an offset below -1', [4, 1, -2, 0, 0]],
    ['an offset that is a fraction', [4, 1, 0.5, 0, 0]],
    ['65 filters', [8, 1, 1, new Array(65).fill('a'), 1, null, [0], 1, 1]],
    ['a filter that is bytes', [8, 1, 1, [new Uint8Array(1)], 1, null, [0], 1, 1]],
    ['QoS 3', [8, 1, 1, ['a'], 3, null, [0], 1, 1]],
    ['an unknown start', [8, 1, 1, ['a'], 1, null, [4], 1, 1]],
    ['a start offset that is missing', [8, 1, 1, ['a'], 1, null, [2], 1, 1]],
    ['a start offset that is negative', [8, 1, 1, ['a'], 1, null, [2, -1], 1, 1]],
    ['a start that is a map', [8, 1, 1, ['a'], 1, null, new Map([[0, 0]]), 1, 1]],
    ['an odd number of range ends', [16, 0, 1, [1, 2, 3]]],
    ['an empty list of ranges', [16, 0, 1, []]],
    ['an empty range', [16, 0, 1, [1, 1]]],
    ['ranges that go back', [16, 0, 1, [5, 6, 1, 2]]],
    ['ranges that overlap', [16, 0, 1, [5, 8, 7, 9]]],
    ['a negative range', [16, 0, 1, [-1, 2]]],
    ['4,097 ranges', [16, 0, 1, Array.from({ length: 2 * 4097 }, (_, i) => i)]],
    ['a range beyond a batch', [15, 1, new Uint8Array(104), [0, 65_537], new Uint8Array(1)]],
    ['an error code that is text', [20, 1, 'BAD', '']],
    ['a message of 1,025 characters', [20, 1, 1, 'x'.repeat(1025)]],
    ['a flag that is a number', [10, 1, 1, 1]],
    ['a client id of 257 characters', [1, 1, 1, 1, [], 'x'.repeat(257), null, null, null, 0, '']],
    ['version 0', [1, 1, 0, 1, [], null, null, null, null, 0, '']],
  ])('%s is malformed', (_, values) => {
    expect(() => arrived(...values)).toThrow(malformed)
  })

  test('a frame that is no array is malformed', () => {
    for (const value of [null, 3, 'PUBLISH', new Map([[0, 12]]), new Uint8Array([12])])
      expect(() => decodePacket(encodeMsgpack(value))).toThrow(/holds no array/)
  })

  test('a message names the field and what came, never its content', () => {
    expect(() => arrived(12, 'evil\ntext')).toThrow(
      'PINGREQ.requestId is text of 9 characters; expected integer from 0 to 4294967295',
    )
    expect(() => arrived(12, ['a\nb', 'c'])).toThrow('PINGREQ.requestId is an array of 2; expected')
    expect(() => arrived(12, new Map([['__proto__', 1]]))).toThrow('PINGREQ.requestId is a map of 1; expected')
    expect(() => arrived(12, null)).toThrow('PINGREQ.requestId is nil; expected')
    expect(() => arrived(16, 0, 1, [3, 2])).toThrow('ACK.ranges[0] is 3; expected')
  })

  test('an unknown error code is read as UNSPECIFIED, with its message', () => {
    expect(arrived(20, 7, 60_000, 'of the future')).toEqual({
      type: PacketType.ERROR,
      requestId: 7,
      code: 'UNSPECIFIED',
      message: 'of the future',
    })
  })

  test('a reason that is too long or no Unicode is mended when it is sent, so that it arrives', () => {
    const long = sent({ type: PacketType.ERROR, requestId: 1, code: 'INTERNAL', message: '😀'.repeat(800) })
    expect(long).toMatchObject({ message: `${'😀'.repeat(511)}\ufffd…` })
    expect(sent({ type: PacketType.DISCONNECT, code: null, message: 'a\ud800b' })).toMatchObject({
      message: 'a\ufffdb',
    })
  })

  test('offsets and ranges arrive exactly, up to the greatest', () => {
    const top = 2 ** 53 - 1
    for (const base of [NO_OFFSET, offset(0), offset(2 ** 32 - 1), offset(2 ** 32), offset(2 ** 32 + 1), offset(top)]) {
      const puback = {
        type: PacketType.PUBACK,
        requestId: 1,
        baseOffset: base,
        epoch: epoch(3),
        durability: 'synced',
      } as const
      expect(sent(puback)).toEqual(puback)
    }
    const ack = { type: PacketType.ACK, requestId: 0, subscriptionId: 1, ranges: [0, 1, 1, 2, 2 ** 40, top] } as const
    expect(sent({ ...ack, ranges: [...ack.ranges] })).toEqual(ack)
  })

  test('no error but a GomqError leaves the decoder for bytes that are no msgpack', () => {
    for (const bytes of [[], [0xc1], [0x9f], [0xdd, 0xff, 0xff, 0xff, 0xff]])
      expect(() => decodePacket(new Uint8Array(bytes))).toThrow(GomqError)
  })
})
