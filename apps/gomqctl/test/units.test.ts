import { expect, test } from 'vitest'
import { durationText, roundDurationText, sizeText } from '../src/units.js'

test('a duration is in the greatest unit that leaves a whole number', () => {
  const shown = [604_800_000, 5_400_000, 7_200_000, 90_000, 1500, 0, null, undefined, 'x'].map(durationText)
  expect(shown).toEqual(['7d', '90m', '2h', '90s', '1500ms', '0', '', '', 'x'])
})

test('so is a size', () => {
  expect([1024 ** 3, 1.5 * 1024 ** 3, 1000, 1024 ** 4, null].map(sizeText)).toEqual([
    '1GiB',
    '1536MiB',
    '1000B',
    '1TiB',
    '',
  ])
})

test('a time that passed is shown in its two greatest units', () => {
  const shown = [0, 999, 61_000, 3_600_000, 90_061_000].map(roundDurationText)
  expect(shown).toEqual(['0s', '0s', '1m 1s', '1h 0m', '1d 1h'])
})
