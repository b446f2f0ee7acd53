import type { Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { baseOffsetFromName, indexName, segmentName } from '../src/segment.js'

test('files are named by base offset in 20 digits, so that names sort as offsets do', () => {
  expect([segmentName(7 as Offset), indexName((2 ** 40) as Offset)]).toEqual([
    '00000000000000000007.log',
    '00000001099511627776.index',
  ])
  expect(baseOffsetFromName(segmentName((2 ** 53 - 1) as Offset))).toBe(2 ** 53 - 1)
})

test('other names are no segments', () => {
  for (const name of [
    '7.log',
    '00000000000000000007.index',
    '00000000000000000007.log.tmp',
    'x00000000000000000007.log',
  ])
    expect(baseOffsetFromName(name)).toBeUndefined()
})
