import { expect, test } from 'vitest'
import { countUpTo, parsePayloadBytes, parseRate, parseShare } from '../../src/bench/bench-flags.js'

test.each([
  [countUpTo(10), ['1', '10'], [1, 10], ['0', '11', '-1', '1.5', '']],
  [parseRate, ['0', '0.5', '10000000'], [0, 0.5, 1e7], ['-1', '10000001', '1e3', 'x', '']],
  [parseShare, ['0', '0.25', '0.9'], [0, 0.25, 0.9], ['1', '0.91', '-0.1', '10%', '']],
  [parsePayloadBytes, ['1', '1KiB', '64MiB'], [1, 1024, 64 * 1024 * 1024], ['0', '65MiB', '1KB', '']],
])('%o takes what it is for', (parse, texts, values, refused) => {
  expect(texts.map(parse)).toEqual(values)
  for (const text of refused) expect(() => parse(text), text).toThrow(/^Use /)
})
