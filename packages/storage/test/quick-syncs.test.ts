import { expect, test } from 'vitest'
import {
  BUSY_SHARE_MAX,
  FULL_ROUND_BATCHES,
  LONELY_BUSY_SHARE_MAX,
  QUICK_SYNC_SAMPLES,
  QUICK_SYNCS_A_LOOK,
} from '../src/limits.js'
import { QuickSyncs } from '../src/quick-syncs.js'

const IDLE = () => 0
const BUSY = () => BUSY_SHARE_MAX + 0.01

function measured(...tookMs: number[]): QuickSyncs {
  const syncs = new QuickSyncs()
  for (const ms of tookMs) syncs.handleSynced(ms, 1, IDLE)
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
  syncs.handleSynced(2.1, 1, IDLE)
  expect(syncs.isQuick).toBe(false)
  for (const ms of repeated(QUICK_SYNC_SAMPLES, 20)) syncs.handleSynced(ms, 1, IDLE)
  expect(syncs.isQuick, 'a disk that stayed slow').toBe(false)
  for (const ms of repeated(QUICK_SYNC_SAMPLES, 0.1)) syncs.handleSynced(ms, 1, IDLE)
  expect(syncs.isQuick).toBe(true)
})

test('a loop without time to spare leaves syncs to the pool, which syncs while the loop goes on', () => {
  const syncs = new QuickSyncs()
  for (const ms of repeated(10 * QUICK_SYNC_SAMPLES, 0.1)) syncs.handleSynced(ms, 1, BUSY)
  expect(syncs.isQuick).toBe(false)
  for (const ms of repeated(QUICK_SYNC_SAMPLES, 0.1)) syncs.handleSynced(ms, 1, IDLE)
  expect(syncs.isQuick).toBe(true)
})

test('a loop with much else to do keeps syncs of many batches, and gives those of few to the pool', () => {
  const after = (batches: number, busyShare: number) => {
    const syncs = measured(...repeated(QUICK_SYNC_SAMPLES, 0.1))
    for (const ms of repeated(QUICK_SYNCS_A_LOOK - 1, 0.1)) syncs.handleSynced(ms, batches, () => busyShare)
    expect(syncs.isQuick, 'not looked yet').toBe(true)
    syncs.handleSynced(0.1, batches, () => busyShare)
    return syncs.isQuick
  }
  expect(after(1, LONELY_BUSY_SHARE_MAX)).toBe(true)
  expect(after(1, LONELY_BUSY_SHARE_MAX + 0.01)).toBe(false)
  expect(after(FULL_ROUND_BATCHES - 1, 0.9)).toBe(false)
  expect(after(FULL_ROUND_BATCHES, 1)).toBe(true)
})
