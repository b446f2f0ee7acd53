import type { Offset } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { baseOffsetFromName, indexName, segmentFromName, segmentName } from '../src/segment.js'

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

test('a cleaned segment has its generation in the name, in one way only', () => {
  expect([segmentName(7 as Offset, 12), indexName(7 as Offset, 1)]).toEqual([
    '00000000000000000007.12.log',
    '00000000000000000007.1.index',
  ])
  expect(segmentFromName('00000000000000000007.12.log')).toEqual({ baseOffset: 7, generation: 12 })
  expect(segmentFromName('00000000000000000007.log')).toEqual({ baseOffset: 7, generation: 0 })
  expect(baseOffsetFromName('00000000000000000007.12.log')).toBeUndefined()
  for (const name of ['0.log', '.0.log', '.01.log', '.1.index', '.1.log.tmp', '.1234567890.log', '.-1.log'])
    expect(segmentFromName(`00000000000000000007${name}`)).toBeUndefined()
})
