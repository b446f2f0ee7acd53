import {
  BatchBuilder,
  type DecodedRecord,
  encodeUtf8,
  type Headers,
  producerId,
  type RecordInput,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import fc from 'fast-check'

/** How many times more runs a property gets in a long campaign (`GOMQ_LONG=1`). */
export const LONG_FACTOR: number = process.env['GOMQ_LONG'] ? 50 : 1

/** Any well-formed text: also empty, beyond the basic plane, with NUL and with names that matter to JavaScript. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 5, arbitrary: fc.string({ unit: 'binary' }).map((text) => text.replace(/\p{Surrogate}/gu, '\ufffd')) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', '__proto__', 'constructor', 'toString', '\u0000', '\ufeffx', '😀', 'é'.repeat(40)),
  },
  { weight: 1, arbitrary: fc.nat(70_000).map((length) => 'ä'.repeat(length % 300) + 'x'.repeat(length % 257)) },
)

/** Any bytes; the lengths around the steps of msgpack's tags included. */
export const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 300 }) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(0, 31, 32, 255, 256, 257, 65_535, 65_536, 70_000), fc.nat(255))
      .map(([length, fill]) => new Uint8Array(length).fill(fill)),
  },
)

const anyHeaders: fc.Arbitrary<Headers> = fc
  .array(fc.tuple(anyText, fc.oneof(anyText, anyBytes)), { maxLength: 20 })
  .map((entries) => {
    const headers: Record<string, string | Uint8Array> = Object.create(null)
    for (const [name, value] of entries) headers[name] = value
    return headers
  })

/** Any record that a producer may write. */
export const anyRecord: fc.Arbitrary<RecordInput> = fc.record({
  timestampDeltaMs: fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.constantFrom(0, 127, 128, 255, 65_536, 2 ** 32, -1, -(2 ** 40)),
  ),
  key: fc.oneof(fc.constant(null), anyText, anyBytes),
  value: fc.oneof(anyText, anyBytes),
  headers: fc.oneof(fc.constant(null), anyHeaders),
})

/** A valid topic name. */
export const anyTopic: fc.Arbitrary<string> = fc
  .array(fc.constantFrom('a', 'b', '', 'sport', 'é', '😀', '$x', ' '), { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '')

/** Whether `decoded` is what a reader should make of `record`. Faster than a general comparison, which walks long bytes one by one. */
export function isDecodedFrom(decoded: DecodedRecord, record: RecordInput): boolean {
  return (
    decoded.timestampDeltaMs === record.timestampDeltaMs &&
    isSame(decoded.key, record.key) &&
    decoded.isText === (typeof record.value === 'string') &&
    isSame(decoded.value, typeof record.value === 'string' ? encodeUtf8(record.value) : record.value) &&
    areSameHeaders(decoded.headers, record.headers)
  )
}

/** Whether two keys, values or headers are the same kind of thing and equal. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b) === 0
  return a === b
}

function areSameHeaders(a: Headers | null, b: Headers | null): boolean {
  if (a === null || b === null) return a === b
  const names = Object.keys(a)
  return (
    names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && isSame(a[name], b[name]))
  )
}

/** A batch of `records`, QoS 1 unless `attributes` say otherwise. */
export function batchOf(topic: string, records: readonly RecordInput[], attributes: number = 1): Uint8Array {
  const builder = new BatchBuilder(topic, attributes)
  for (const record of records) builder.append(record)
  return builder.finish(
    { baseTimestampMs: 1_700_000_000_000, producerId: producerId(77), producerEpoch: 3, firstSequence: 1000 },
    crc32,
  )
}

/** A batch of `count` text records of different lengths. */
export function plainBatch(count: number, topic: string = 'a/b', attributes: number = 1): Uint8Array {
  return batchOf(
    topic,
    Array.from({ length: count }, (_, i) => ({
      timestampDeltaMs: i,
      key: null,
      value: `${i}`.repeat(1 + (i % 7)),
      headers: null,
    })),
    attributes,
  )
}
