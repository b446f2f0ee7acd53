import {
  Attribute,
  BatchBuilder,
  deflatedBatch,
  encodeMsgpack,
  epoch,
  offset,
  producerId,
  recordsStartOf,
  stampLeader,
  tableStartOf,
  writeU32,
} from '@gomq/protocol'
import { crc32, deflate } from '@gomq/protocol/node'
import { expect, test } from 'vitest'
import { linesOf } from '../src/commands/log-dump.js'
import { controlRecordsOf, messagesOf } from '../src/stored-records.js'

const PRODUCER = { baseTimestampMs: 1000, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }

function batchOf(topic: string, attributes: number, values: readonly (string | Uint8Array)[]): Uint8Array {
  const builder = new BatchBuilder(topic, attributes)
  for (const [i, value] of values.entries()) builder.append({ timestampDeltaMs: i, key: null, value, headers: null })
  const batch = builder.finish(PRODUCER, crc32)
  stampLeader(batch, offset(10), epoch(1), 2000)
  return batch
}

test('messages come with their offsets and times, and holes that compaction left do not', () => {
  const batch = batchOf('a', 1, ['one', 'two', 'three'])
  expect([...messagesOf(batch)]).toMatchObject([
    { offset: 10, timestamp: 1000, topic: 'a', key: null },
    { offset: 11, timestamp: 1001 },
    { offset: 12, timestamp: 1002 },
  ])
  // The first record loses its bytes: its end is the start, and the others begin there.
  const hole = batch.slice()
  writeU32(hole, tableStartOf(hole), 0)
  expect([...messagesOf(hole)].map((each) => each.offset)).toEqual([11, 12])
})

test('a record that is none is named with its offset, and the others are there', () => {
  const batch = batchOf('a', 1, ['one', 'two'])
  batch[recordsStartOf(batch)] = 0xc1
  expect([...messagesOf(batch)]).toMatchObject([{ offset: 10, reason: expect.any(String) }, { offset: 11 }])
})

test('messages of a compressed batch are what they are of a plain one', () => {
  const plain = batchOf('a', 1, ['one', 'x'.repeat(2000)])
  const compressed = deflatedBatch(plain, deflate, crc32)
  expect(compressed.byteLength).toBeLessThan(plain.byteLength)
  expect([...messagesOf(compressed)]).toEqual([...messagesOf(plain)])
})

test('a batch that is compressed in a way that nobody knows is named, message by message', () => {
  expect([...messagesOf(batchOf('a', 1 | 0x200, ['one', 'two']))]).toMatchObject([
    { offset: 10, reason: expect.stringContaining('compressed') },
    { offset: 11, reason: expect.stringContaining('compressed') },
  ])
})

test('control records are a type, a version and a body', () => {
  const batch = batchOf('', Attribute.CONTROL, [encodeMsgpack([3, 1, 'me', [1, 2]]), new Uint8Array([0xc1])])
  expect([...controlRecordsOf(batch)]).toMatchObject([
    { offset: 10, type: 3, version: 1, body: ['me', [1, 2]] },
    { offset: 11, reason: expect.any(String) },
  ])
})

test('lines of a dump keep to the offsets that are asked for and name what cannot be read', () => {
  const batch = batchOf('a', 1, ['one', 'two', 'three'])
  batch[recordsStartOf(batch)] = 0xc1
  const warnings: string[] = []
  const piece = { kind: 'batch', file: 'log/1.log', position: 7, batch } as const
  const lines = (flags: Parameters<typeof linesOf>[1], isJson = false) => [
    ...linesOf(piece, flags, isJson, (text) => warnings.push(text)),
  ]
  expect(lines({ from: 11, to: 12 })).toEqual(['11\t1970-01-01T00:00:01.001Z\ta\t\ttwo'])
  expect(warnings).toEqual([])
  expect(lines({ values: 'none' })).toHaveLength(2)
  expect(warnings).toEqual([expect.stringContaining('offset 10')])
  expect(JSON.parse(lines({ batches: true }, true)[0]!)).toMatchObject({ baseOffset: 10, endOffset: 13, position: 7 })
})
