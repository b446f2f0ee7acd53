import type { Offset } from '@gomq/protocol'
import { expect, it } from 'vitest'
import { LagMarks } from '../../src/core/lag-marks.js'

const copy = { id: 'b', storeId: 'b1' }

it('a copy was level when the leader had what the copy has confirmed', () => {
  const marks = new LagMarks(3000, 0)
  for (const [atMs, end] of [
    [100, 100],
    [250, 180],
    [500, 260],
  ] as const)
    marks.handleTick(end as Offset, atMs)
  expect(marks.levelAtMs(copy)).toBe(0)
  marks.handleSynced(copy, 200 as Offset)
  expect(marks.levelAtMs(copy)).toBe(250)
  marks.handleSynced(copy, 260 as Offset)
  expect(marks.levelAtMs(copy)).toBe(500)
})

it('a copy that stays behind is seen to be behind for longer than the limit', () => {
  const marks = new LagMarks(3000, 0)
  marks.handleSynced(copy, 5 as Offset)
  for (let atMs = 250; atMs <= 10_000; atMs += 250) marks.handleTick(atMs as Offset, atMs)
  expect(10_000 - marks.levelAtMs(copy)).toBeGreaterThan(3000)
})

it('a copy does not fall behind while nothing is written', () => {
  const marks = new LagMarks(3000, 0)
  marks.handleSynced(copy, 5 as Offset)
  for (let atMs = 250; atMs <= 10_000; atMs += 250) marks.handleTick(5 as Offset, atMs)
  expect(marks.levelAtMs(copy)).toBe(10_000)
})
