import { expect, test } from 'vitest'
import { QUICK_SYNC_SAMPLES } from '../src/limits.js'
import { QuickSyncs } from '../src/quick-syncs.js'

function measured(...tookMs: number[]): QuickSyncs {
  const syncs = new QuickSyncs()
  for (const ms of tookMs) syncs.handleSynced(ms)
  return syncs
}

function repeated(count: number, ms: number): number[] {
  return Array<number>(count).fill(ms)
}

test('a disk is not quick before enough syncs were seen', () => {
  expect(measured(...repeated(QUICK_SYNC_SAMPLES - 1, 0.1)).isQuick).toBe(false)
  expect(measured(...repeated(QUICK_SYNC_SAMPLES, 0.1)).isQuick).toBe(true)
})

test('the shortest sync counts: what a busy machine adds says nothing about the disk', () => {
  expect(measured(...repeated(QUICK_SYNC_SAMPLES - 1, 30), 0.4).isQuick).toBe(true)
})

test('a disk that takes longer each time is never quick', () => {
  expect(measured(...repeated(100 * QUICK_SYNC_SAMPLES, 0.6)).isQuick).toBe(false)
})

test('one slow sync on the loop sends the next ones to the pool, until the disk is seen to be quick again', () => {
  const syncs = measured(...repeated(QUICK_SYNC_SAMPLES, 0.1), 1.9)
  expect(syncs.isQuick).toBe(true)
  syncs.handleSynced(2.1)
  expect(syncs.isQuick).toBe(false)
  for (const ms of repeated(QUICK_SYNC_SAMPLES, 20)) syncs.handleSynced(ms)
  expect(syncs.isQuick, 'a disk that stayed slow').toBe(false)
  for (const ms of repeated(QUICK_SYNC_SAMPLES, 0.1)) syncs.handleSynced(ms)
  expect(syncs.isQuick).toBe(true)
})
