import { expect, test } from 'vitest'
import { UnsyncedBytes } from '../src/unsynced-bytes.js'

test('bytes count from their append until their last offset is synced', () => {
  const unsynced = new UnsyncedBytes(100)
  unsynced.handleAppended(10, 60)
  unsynced.handleAppended(20, 60)
  expect(unsynced.bytes).toBe(120)
  expect(unsynced.isOver).toBe(true)
  unsynced.handleSynced(15)
  expect(unsynced.bytes).toBe(60)
  expect(unsynced.isOver).toBe(false)
  expect(unsynced.isLow).toBe(false)
  unsynced.handleSynced(20)
  expect(unsynced.bytes).toBe(0)
  expect(unsynced.isLow).toBe(true)
})

test('counts stay right over many appends', () => {
  const unsynced = new UnsyncedBytes(1)
  for (let offset = 1; offset <= 20_000; offset++) unsynced.handleAppended(offset, 3)
  for (let offset = 1; offset < 20_000; offset += 3) {
    unsynced.handleSynced(offset)
    expect(unsynced.bytes).toBe((20_000 - offset) * 3)
  }
})
