import { expect, test } from 'vitest'
import { headersOption, startPosition } from '../../src/node/options.js'

const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

test('a subscription starts from a word, an offset or a time', () => {
  expect([startPosition('new'), startPosition({ offset: 3 }), startPosition({ time: new Date(5) })]).toEqual([
    { kind: 'new' },
    { kind: 'offset', offset: 3 },
    { kind: 'time', timeMs: 5 },
  ])
  expect(() => startPosition({ offset: -1 })).toThrow(invalid)
  expect(() => startPosition('latest' as never)).toThrow(invalid)
})

test('headers are copied, and are text or bytes', () => {
  const given = { a: 'b' }
  expect([headersOption(undefined), headersOption(given)]).toEqual([null, given])
  expect(headersOption(given)).not.toBe(given)
  expect(() => headersOption({ a: 1 } as never)).toThrow(invalid)
})
