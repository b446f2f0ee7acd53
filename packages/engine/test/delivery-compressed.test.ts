import {
  DEFLATE_FEATURE,
  DeliveredRecords,
  type DeliverPacket,
  type ErrorCode,
  PacketType,
  producerId,
  readU32,
  recordsStartOf,
  stampProducer,
  tableStartOf,
  writeU32,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { batchOf, FILLED_LENGTH } from './support/client-batch.js'
import { EngineBench } from './support/engine-bench.js'

const ASKS = { features: [DEFLATE_FEATURE] }
const PUBLISHER = 1
const READER = 2
const PLAIN = 3

/** A publisher of compressed batches, a client that reads them and one that does not. */
function bench(): EngineBench {
  const it = new EngineBench()
  it.connect(PUBLISHER, null, ASKS)
  it.connect(READER, 'reader', ASKS)
  it.connect(PLAIN, 'plain')
  return it
}

function publish(it: EngineBench, values: readonly string[], qos = 1): void {
  it.publish(PUBLISHER, 'a', values, { isCompressed: true, qos })
  it.commitAll()
}

function deliveries(it: EngineBench, connectionId: number): DeliverPacket[] {
  return it.take(connectionId).filter((packet) => packet.type === PacketType.DELIVER)
}

function refusalOf(it: EngineBench, connectionId: number, batch: Uint8Array): ErrorCode | null | undefined {
  it.take(connectionId)
  it.packet(connectionId, { type: PacketType.PUBLISH, requestId: it.requestId(), batch })
  return it.takeRefusal(connectionId)
}

describe('compression', () => {
  test('is granted to who asks for it, and no feature that nobody knows', () => {
    const it = new EngineBench()
    it.connect(7, null, { features: ['unheard', DEFLATE_FEATURE] })
    expect(it.takeConnack(7)?.features).toEqual([DEFLATE_FEATURE])
    it.connect(8, null, { features: ['unheard'] })
    expect(it.takeConnack(8)?.features).toEqual([])
  })

  test('is not granted by an engine that could not decompress for others', () => {
    const it = new EngineBench({ decompresses: false })
    it.connect(7, null, ASKS)
    expect(it.takeConnack(7)?.features).toEqual([])
    expect(refusalOf(it, 7, batchOf('a', ['x'], { isCompressed: true }))).toBe('UNSUPPORTED_FEATURE')
  })

  test('a compressed batch of a client that did not ask for the feature is refused', () => {
    const it = bench()
    expect(refusalOf(it, PLAIN, batchOf('a', ['x'], { isCompressed: true }))).toBe('UNSUPPORTED_FEATURE')
    expect(refusalOf(it, PUBLISHER, batchOf('a', ['x'], { isCompressed: true }))).toBeUndefined()
  })

  test('neither a retained message nor a will may be compressed', () => {
    const it = bench()
    const retained = batchOf('a', ['x'], { isCompressed: true })
    writeU32(retained, 52, 0x204 | 1)
    stampProducer(retained, { producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }, crc32)
    expect(refusalOf(it, PUBLISHER, retained)).toBe('MALFORMED_BATCH')
    it.connect(9, 'w', { ...ASKS, will: batchOf('a', ['x'], { isCompressed: true }) })
    expect(it.takeRefusal(9)).toBe('MALFORMED_BATCH')
  })

  test('a repetition of the same compressed batch is stored once', () => {
    const it = bench()
    const batch = batchOf('a', ['x', 'y'], { isCompressed: true, id: 5, sequence: 0 })
    for (let i = 0; i < 2; i++) {
      it.packet(PUBLISHER, { type: PacketType.PUBLISH, requestId: 70 + i, batch: batch.slice() })
      it.commitAll()
    }
    expect(it.dataBatches()).toHaveLength(1)
    const acks = it.take(PUBLISHER).filter((packet) => packet.type === PacketType.PUBACK)
    expect(acks.map((packet) => [packet.requestId, packet.baseOffset])).toEqual([
      [70, acks[0]!.baseOffset],
      [71, acks[0]!.baseOffset],
    ])
  })
})

describe('a compressed batch is delivered', () => {
  test('as it is to who reads it, and uncompressed to who does not, at the same offsets', () => {
    const it = bench()
    for (const connectionId of [READER, PLAIN]) it.subscribe(connectionId, 1, ['a'])
    it.commitAll()
    for (const connectionId of [READER, PLAIN]) it.take(connectionId)
    publish(it, ['x', 'y'])
    const [stored] = it.dataBatches()
    expect(deliveries(it, READER)).toMatchObject([{ header: null, ranges: null, payload: stored }])
    const [plain] = deliveries(it, PLAIN)
    expect(plain!.payload.byteLength).toBeGreaterThan(2 * FILLED_LENGTH)
    const records = DeliveredRecords.ofBatch(plain!.payload, crc32)
    expect([records.count, records.offsetAt(0)]).toEqual([
      2,
      DeliveredRecords.ofBatch(stored!, crc32, { inflate }).offsetAt(0),
    ])
    expect(crc32(plain!.payload.subarray(8, 104))).toBe(readU32(plain!.payload, 4))
  })

  test('for QoS 0 too, to the last message of the credit', () => {
    const it = bench()
    it.subscribe(READER, 1, ['a'], { messages: 2, qos: 0 })
    it.subscribe(PLAIN, 1, ['a'], { messages: 2, qos: 0 })
    it.commitAll()
    publish(it, ['x', 'y'], 0)
    publish(it, ['z'], 0)
    expect(it.takeTexts(READER)).toEqual(['x', 'y'])
    expect(it.takeTexts(PLAIN)).toEqual(['x', 'y'])
  })

  test('once and whole to who reads it and has credit at all; what exceeds the credit is owed', () => {
    const it = bench()
    it.subscribe(READER, 1, ['a'], { messages: 1, bytes: 10 })
    it.commitAll()
    it.take(READER)
    publish(it, ['1', '2', '3', '4'])
    publish(it, ['5'])
    expect(it.takeTexts(READER)).toEqual(['1', '2', '3', '4'])
    const credit = (messages: number, bytes: number) => {
      it.packet(READER, { type: PacketType.CREDIT, subscriptionId: 1, messages, bytes })
      it.commitAll()
      return it.takeTexts(READER)
    }
    expect(credit(3, 1_000_000)).toEqual([])
    expect(credit(1, 0)).toEqual(['5'])
  })

  test('in parts, as far as the credit goes, to who does not read it', () => {
    const it = bench()
    it.subscribe(PLAIN, 1, ['a'], { messages: 3 })
    it.commitAll()
    publish(it, ['1', '2', '3', '4'])
    expect(it.takeTexts(PLAIN)).toEqual(['1', '2', '3'])
    it.packet(PLAIN, { type: PacketType.CREDIT, subscriptionId: 1, messages: 1, bytes: 0 })
    it.commitAll()
    expect(it.takeTexts(PLAIN)).toEqual(['4'])
  })

  test('whole with the ranges that are meant, when some of it is acknowledged', () => {
    const it = bench()
    it.subscribe(READER, 1, ['a'], { name: 's' })
    it.commitAll()
    publish(it, ['1', '2', '3', '4', '5'])
    const [first] = it.takeDelivered(READER)
    const base = first!.offset
    it.packet(READER, {
      type: PacketType.ACK,
      requestId: 99,
      subscriptionId: 1,
      ranges: [base, base + 1, base + 2, base + 4],
    })
    it.commitAll()
    it.lose(READER)
    it.commitAll()
    it.connect(12, 'reader', ASKS)
    // Credit for one of the three does: the batch is not sent for each range.
    it.subscribe(12, 1, ['a'], { name: 's', messages: 1 })
    it.commitAll()
    const again = deliveries(it, 12)
    expect(again).toMatchObject([{ header: null, ranges: [1, 2, 4, 5], payload: it.dataBatches()[0] }])
    it.lose(12)
    it.commitAll()
    // The same session on a client that does not decompress gets a part instead.
    it.connect(13, 'reader')
    it.subscribe(13, 1, ['a'], { name: 's' })
    it.commitAll()
    expect(it.takeDelivered(13).map(({ offset, text }) => [offset - base, text])).toEqual([
      [1, '2'],
      [4, '5'],
    ])
  })

  test('from the middle on, when a subscription begins there', () => {
    const it = bench()
    publish(it, ['1', '2', '3'])
    const from = { kind: 'offset', offset: (it.logEnd - 1) as never } as const
    it.subscribe(READER, 1, ['a'], { from })
    it.subscribe(PLAIN, 1, ['a'], { from })
    it.commitAll()
    expect([it.takeTexts(READER), it.takeTexts(PLAIN)]).toEqual([['3'], ['3']])
  })

  test('as bad records, which can be acknowledged, where it lies and the client does not decompress', () => {
    const it = bench()
    it.subscribe(PLAIN, 1, ['a'], { name: 's' })
    it.commitAll()
    it.take(PLAIN)
    const batch = batchOf('a', ['1', '2'], { isCompressed: true })
    writeU32(batch, tableStartOf(batch) + 4, readU32(batch, tableStartOf(batch) + 4) + 1)
    batch.fill(0xff, recordsStartOf(batch))
    stampProducer(batch, { producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }, crc32)
    expect(refusalOf(it, PUBLISHER, batch)).toBeUndefined()
    it.commitAll()
    const [delivery] = deliveries(it, PLAIN)
    const records = DeliveredRecords.ofBatch(delivery!.payload, crc32)
    expect(records.count).toBe(2)
    expect(() => records.record(1)).toThrow(expect.objectContaining({ code: 'BAD_RECORD' }))
    const base = records.offsetAt(0)
    it.packet(PLAIN, { type: PacketType.ACK, requestId: 99, subscriptionId: 1, ranges: [base, base + 2] })
    it.commitAll()
    expect(it.take(PLAIN)).toContainEqual({ type: PacketType.ACKED, requestId: 99 })
  })

  test('and stays in the log as it came', () => {
    const it = bench()
    const sent = batchOf('a', ['1', '2'], { isCompressed: true })
    it.subscribe(PLAIN, 1, ['a'])
    publish(it, ['1', '2'])
    const [stored] = it.dataBatches()
    expect(Buffer.compare(stored!.subarray(48), sent.subarray(48))).toBe(0)
  })
})
