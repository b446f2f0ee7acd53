import { Attribute, BatchBuilder, encodeMsgpack, offset, producerId } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { type ControlRecord, decodeControlBatch, encodeControlBatch } from '../src/control-record.js'
import { expectGoldenBytes } from './golden/golden-files.js'
import { batchOf } from './support/client-batch.js'

const RECORDS: ControlRecord[] = [
  { kind: 'epochStart', epoch: 7, brokerId: 'b1' },
  {
    kind: 'subscription',
    clientId: 'c',
    name: 's',
    filters: ['a/+', 'b/#'],
    qos: 1,
    position: 5_000_000_000,
    unacked: [1, 2, 70_000, 5_000_000_000],
  },
  { kind: 'cursor', clientId: 'c', name: 's', position: 300, unacked: [10, 20] },
  { kind: 'forgetSubscription', clientId: 'c', name: 's' },
  { kind: 'forgetProducers', producerIds: [1, 5_000_000_000] },
  {
    kind: 'session',
    clientId: 'c',
    expirySec: 604_800,
    will: batchOf('wills/c', ['lost'], { id: 9 }),
    willDelaySec: 30,
  },
  { kind: 'sessionClosed', clientId: 'c', atMs: 1_700_000_000_000, isWillOwed: true },
  { kind: 'willSettled', clientId: 'c' },
  { kind: 'forgetSession', clientId: 'c' },
  {
    kind: 'policy',
    policy: {
      filter: 'orders/#',
      maxAgeMs: 604_800_000,
      maxBytes: 5_000_000_000,
      maxCount: null,
      isAckedRemoved: false,
      isCompacted: true,
      tombstoneMs: 86_400_000,
    },
  },
  { kind: 'removePolicy', filter: 'orders/#' },
  {
    kind: 'retentionTick',
    floors: [
      ['orders/#', offset(5_000_000_000)],
      ['a', offset(7)],
    ],
  },
]

/** A control batch with values of any kind. */
function batchWith(...values: unknown[]): Uint8Array {
  const builder = new BatchBuilder('', Attribute.CONTROL)
  for (const value of values)
    builder.append({ timestampDeltaMs: 0, key: null, value: encodeMsgpack(value), headers: null })
  return builder.finish({ baseTimestampMs: 1, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }, crc32)
}

describe('control records', () => {
  test('have the bytes that were released', () => {
    for (const record of RECORDS)
      expectGoldenBytes(`control-${record.kind}`, encodeControlBatch([record], 1_700_000_000_000, crc32))
  })

  test('come back as they were, also many in one batch', () => {
    expect(decodeControlBatch(encodeControlBatch(RECORDS, 1, crc32))).toEqual(RECORDS)
    const noWill: ControlRecord = { kind: 'session', clientId: 'c', expirySec: 0, will: null, willDelaySec: 0 }
    expect(decodeControlBatch(encodeControlBatch([noWill], 1, crc32))).toEqual([noWill])
  })

  test('of a type that this version does not know stop it, unless they may be skipped', () => {
    const known = [8, 1, 'c']
    expect(decodeControlBatch(batchWith([128, 1, 'x'], known, [200, 7]))).toEqual([
      { kind: 'willSettled', clientId: 'c' },
    ])
    expect(() => decodeControlBatch(batchWith(known, [127, 1, 'x']))).toThrow(/type 127, version 1/)
  })

  test('of a version that this version does not know stop it too', () => {
    expect(() => decodeControlBatch(batchWith([8, 2, 'c']))).toThrow(/type 8, version 2/)
  })

  test('that are no arrays stop it', () => {
    expect(() => decodeControlBatch(batchWith('epochStart'))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_FORMAT' }),
    )
  })

  test('may have more fields than this version knows', () => {
    expect(decodeControlBatch(batchWith([8, 1, 'c', 'more']))).toEqual([{ kind: 'willSettled', clientId: 'c' }])
  })
})
