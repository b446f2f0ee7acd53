import type { Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { SegmentIndex } from '../src/format/segment-index.js'
import { LogState } from '../src/log-state.js'
import { Segment } from '../src/segment.js'
import { stampedBatch } from './support/stamped-batch.js'

const segmentAt = (base: number, batches: number) => {
  const index = new SegmentIndex(base as Offset)
  for (let i = 0; i < batches; i++) index.add(stampedBatch({ baseOffset: base + i }))
  return new Segment(`${base}`, { index })
}

test('offsets keep their order: log start <= high watermark <= synced <= written <= log end', () => {
  const state = new LogState([segmentAt(10, 5)])
  expect([state.logStartOffset, state.highWatermark, state.syncedOffset, state.logEndOffset]).toEqual([10, 10, 15, 15])
  state.handleAppended(stampedBatch({ baseOffset: 15 }))
  expect(() => state.handleCommitted(16 as Offset)).toThrow('invariant broken')
  expect(() => state.handleSynced(16 as Offset)).toThrow('invariant broken')
  state.handleWritten(16 as Offset)
  expect(() => state.handleCommitted(16 as Offset)).toThrow('invariant broken')
  state.handleSynced(16 as Offset)
  expect(() => state.handleWritten(17 as Offset)).toThrow('invariant broken')
  expect(() => state.handleSynced(17 as Offset)).toThrow('invariant broken')
  state.handleCommitted(16 as Offset)
  expect(() => state.handleCommitted(15 as Offset)).toThrow('goes back')
  expect(() => state.handleSynced(15 as Offset)).toThrow('goes back')
  expect(() => state.handleWritten(15 as Offset)).toThrow('goes back')
})

test('an offset belongs to the last segment that begins at or before it', () => {
  const state = new LogState([segmentAt(0, 10), segmentAt(10, 10), segmentAt(20, 0)])
  expect([0, 9, 10, 19, 20, 99].map((at) => state.segmentFor(at as Offset).path)).toEqual([
    '0',
    '0',
    '10',
    '10',
    '20',
    '20',
  ])
  const later = new LogState([segmentAt(10, 1)])
  expect(() => later.segmentFor(9 as Offset)).toThrow("below the log's start 10")
})

test('the last append time is that of the newest batch, also when the active segment is empty', () => {
  const state = new LogState([segmentAt(0, 10), segmentAt(10, 0)])
  expect(state.lastAppendTimeMs).toBe(1009)
  expect(state.epochs.all).toEqual([{ epoch: 1, startOffset: 0 }])
})
