import type { Epoch, Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { epochStartsOf, flatEpochStarts, joinedEpochStarts } from '../../src/format/epoch-start.js'

const at = (epoch: number, startOffset: number) => ({ epoch: epoch as Epoch, startOffset: startOffset as Offset })

test('a flat array holds the same', () => {
  const starts = [at(1, 0), at(4, 2 ** 40)]
  expect(flatEpochStarts(starts)).toEqual([1, 0, 4, 2 ** 40])
  expect(epochStartsOf(flatEpochStarts(starts))).toEqual(starts)
  expect(epochStartsOf([])).toEqual([])
})

test('neighbours are joined: an epoch that goes on in the next one begins once', () => {
  expect(joinedEpochStarts([[at(1, 0), at(3, 10)], [at(3, 20)], [], [at(3, 30), at(4, 35)]])).toEqual([
    at(1, 0),
    at(3, 10),
    at(4, 35),
  ])
})
