import { inflateRawSync } from 'node:zlib'
import {
  Attribute,
  BatchBuilder,
  Compression,
  checkBatch,
  compressionOf,
  DeliveredRecords,
  encodeMsgpack,
  epoch,
  inflatedBatch,
  isBatchIntact,
  isControl,
  isExpired,
  offset,
  producerId,
  sealHeader,
  stampLeader,
  topicOf,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { expectGolden, readGolden } from './golden-files.js'

function dataBatch(): Uint8Array {
  const builder = new BatchBuilder('orders/eu', 1 | Attribute.KEYED)
  builder.append({ timestampDeltaMs: 0, key: 'c42', value: 'hello', headers: null })
  builder.append({
    timestampDeltaMs: 250,
    key: new Uint8Array([1, 2]),
    value: new Uint8Array([0, 255]),
    headers: { trace: 'x', raw: new Uint8Array([9]) },
  })
  builder.append({
    timestampDeltaMs: -1,
    key: null,
    value: 'é'.repeat(20),
    headers: { 'content-type': 'application/msgpack' },
  })
  const producer = {
    baseTimestampMs: 1_700_000_000_123,
    producerId: producerId(2 ** 53 - 1),
    producerEpoch: 513,
    firstSequence: 0xffff_fffe,
  }
  const batch = builder.finish(producer, crc32)
  stampLeader(batch, offset(2 ** 40 + 1), epoch(0x0102_0304), 1_700_000_000_456)
  sealHeader(batch, offset(2 ** 40), crc32)
  return batch
}

function controlBatch(): Uint8Array {
  const builder = new BatchBuilder('', Attribute.CONTROL)
  builder.append({ timestampDeltaMs: 0, key: null, value: encodeMsgpack([1, 1, 'broker-1', 7]), headers: null })
  const batch = builder.finish(
    { baseTimestampMs: 1, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 },
    crc32,
  )
  stampLeader(batch, offset(3), epoch(7), 2)
  sealHeader(batch, offset(3), crc32)
  return batch
}

describe('golden bytes of record batches', () => {
  test('a data batch is written as it was when the format was released', () => {
    expectGolden('batch-data', dataBatch())
  })

  test('a control batch is written as it was when the format was released', () => {
    expectGolden('batch-control', controlBatch())
  })

  test('an expiring batch has its time to live at byte 88', () => {
    const builder = new BatchBuilder('a', 2, 60_000)
    builder.append({ timestampDeltaMs: 0, key: null, value: 'soon gone', headers: null })
    const batch = builder.finish(
      { baseTimestampMs: 5, producerId: producerId(1), producerEpoch: 0, firstSequence: 0 },
      crc32,
    )
    stampLeader(batch, offset(9), epoch(1), 1000)
    sealHeader(batch, offset(9), crc32)
    expectGolden('batch-expiring', batch)
    const stored = readGolden('batch-expiring')
    expect([stored.readUInt32LE(52), stored.readBigUInt64LE(88)]).toEqual([0x22, 60_000n])
    expect(checkBatch(batch, { messageBytesMax: 1024 }, crc32)).toBe('a')
    expect([isExpired(batch, 60_999), isExpired(batch, 61_000)]).toEqual([false, true])
  })

  test('a compressed batch that was released is still read; its table stands before the compressed records', () => {
    const batch = Uint8Array.from(readGolden('batch-deflate'))
    expect([isBatchIntact(batch, crc32), compressionOf(batch)]).toEqual([true, Compression.DEFLATE])
    expect(checkBatch(batch, { messageBytesMax: 1024 }, crc32)).toBe('orders/eu')
    const stored = readGolden('batch-deflate')
    expect([stored.readUInt32LE(52), stored.readUInt32LE(60)]).toEqual([0x241, 40])
    expectGolden('batch-deflate-inflated', inflatedBatch(batch, inflate, crc32))
    const plain = readGolden('batch-deflate-inflated')
    const tableEnd = 104 + 9 + 4 * 40
    expect(stored.subarray(48 + 8, tableEnd).toString('hex')).toBe(plain.subarray(48 + 8, tableEnd).toString('hex'))
    const records = inflateRawSync(stored.subarray(tableEnd))
    expect(records.toString('hex')).toBe(plain.subarray(tableEnd).toString('hex'))
    const delivered = DeliveredRecords.ofBatch(batch, crc32, { inflate })
    expect(delivered.offsetAt(39)).toBe(2 ** 40 + 40)
    expect(delivered.record(39)).toMatchObject({ key: 'c39', isText: true, headers: { trace: 'x' } })
  })

  test('each field of the header stands at its documented place', () => {
    const batch = readGolden('batch-data')
    expect(batch.subarray(0, 4).toString('latin1')).toBe('GMQB')
    expect([batch[8], batch[9], batch.readUInt16LE(10)]).toEqual([1, 104, 0])
    expect(batch.readUInt32LE(4)).toBe(crc32(batch.subarray(8, 104)))
    expect(batch.readUInt32LE(12)).toBe(batch.byteLength)
    expect([batch.readBigUInt64LE(16), batch.readBigUInt64LE(24), batch.readBigUInt64LE(32)]).toEqual([
      2n ** 40n + 1n,
      1_700_000_000_456n,
      2n ** 40n,
    ])
    expect(batch.readUInt32LE(40)).toBe(0x0102_0304)
    expect(batch.readUInt32LE(44)).toBe(crc32(batch.subarray(48)))
    expect([batch.readUInt16LE(48), batch.readUInt16LE(50), batch.readUInt32LE(52)]).toEqual([0, 9, 0x41])
    expect([batch.readUInt32LE(56), batch.readUInt32LE(60), batch.readBigUInt64LE(64)]).toEqual([
      2,
      3,
      1_700_000_000_123n,
    ])
    expect([batch.readBigUInt64LE(72), batch.readUInt32LE(80), batch.readUInt16LE(84)]).toEqual([
      2n ** 53n - 1n,
      0xffff_fffe,
      513,
    ])
    expect(batch.subarray(86, 104).every((byte) => byte === 0)).toBe(true)
    expect(batch.subarray(104, 113).toString()).toBe('orders/eu')
    const ends = [batch.readUInt32LE(113), batch.readUInt32LE(117), batch.readUInt32LE(121)]
    expect(ends[2]).toBe(batch.byteLength - 125)
    expect(batch.subarray(125, 125 + ends[0]!).toString('hex')).toBe('9400a3633432a568656c6c6fc0')
  })

  test('the released bytes are still read', () => {
    const batch = Uint8Array.from(readGolden('batch-data'))
    expect(isBatchIntact(batch, crc32)).toBe(true)
    expect(checkBatch(batch, { messageBytesMax: 1024 }, crc32)).toBe('orders/eu')
    const delivered = DeliveredRecords.ofBatch(batch, crc32)
    expect(delivered.offsetAt(2)).toBe(2 ** 40 + 3)
    expect(delivered.record(1)).toEqual({
      timestampDeltaMs: 250,
      key: new Uint8Array([1, 2]),
      value: new Uint8Array([0, 255]),
      isText: false,
      headers: { trace: 'x', raw: new Uint8Array([9]) },
    })
    expect(delivered.record(2)).toMatchObject({
      timestampDeltaMs: -1,
      isText: true,
      headers: { 'content-type': 'application/msgpack' },
    })
    const control = Uint8Array.from(readGolden('batch-control'))
    expect([isBatchIntact(control, crc32), isControl(control), topicOf(control)]).toEqual([true, true, ''])
  })
})
