import type { Epoch, Offset } from '@gomq/protocol'
import { expect, it } from 'vitest'
import { CommittedEpochs } from '../../src/cluster/committed-epochs.js'

function log(start: number, end: number, ...epochs: (readonly [number, number])[]) {
  const epochStarts = epochs.map(([epoch, at]) => ({ epoch: epoch as Epoch, startOffset: at as Offset }))
  return { logStartOffset: start, logEndOffset: end, syncedOffset: end, highWatermark: end, epochStarts }
}

const leader = log(0, 90, [1, 0], [2, 40], [5, 70])

it('the same epochs at the same offsets are the same history, also of a part of it', () => {
  const committed = new CommittedEpochs()
  committed.extend(leader, 80)
  expect(committed.endOffset).toBe(80)
  for (const copy of [leader, log(0, 30, [1, 0]), log(50, 90, [2, 50], [5, 70]), log(90, 90)])
    expect(committed.partsAt(copy, 80)).toBeUndefined()
})

it('histories part at the first offset that another epoch has written', () => {
  const committed = new CommittedEpochs()
  committed.extend(leader, 80)
  expect(committed.partsAt(log(0, 60, [1, 0]), 60)).toBe(40)
  expect(committed.partsAt(log(0, 60, [1, 0], [3, 20]), 80)).toBe(20)
  expect(committed.partsAt(log(45, 60, [1, 45]), 80)).toBe(45)
})

it('what lies above the given offset, or what has committed, is not compared', () => {
  const committed = new CommittedEpochs()
  committed.extend(leader, 80)
  expect(committed.partsAt(log(0, 60, [1, 0], [3, 20]), 20)).toBeUndefined()
  expect(committed.partsAt(log(0, 99, [1, 0], [2, 40], [5, 70], [6, 80]), 99)).toBeUndefined()
})

it('what has committed stays, whatever a later leader says', () => {
  const committed = new CommittedEpochs()
  committed.extend(leader, 80)
  committed.extend(log(0, 99, [1, 0], [6, 30]), 99)
  expect(committed.partsAt(leader, 80)).toBeUndefined()
  expect(committed.partsAt(log(0, 99, [1, 0], [6, 30]), 99)).toBe(30)
})
