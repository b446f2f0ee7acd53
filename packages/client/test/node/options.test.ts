import { expect, test } from 'vitest'
import { headersOption, resolveConnectOptions, startPosition } from '../../src/node/options.js'

const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' })

test('every option has the default that its documentation names', () => {
  expect(resolveConnectOptions({})).toEqual({
    clientId: null,
    keepAliveSec: 30,
    connectTimeoutMs: 5000,
    requestTimeoutMs: 10_000,
    publishTimeoutMs: 30_000,
    bufferBytesMax: 4 * 1024 * 1024,
    reconnectMinMs: 100,
    reconnectMaxMs: 5000,
  })
})

test.each([{ keepAliveSec: 65_536 }, { connectTimeoutMs: 0 }, { bufferBytesMax: 0.5 }, { reconnect: { minMs: -1 } }])(
  '%j is refused',
  (options) => {
    expect(() => resolveConnectOptions(options)).toThrow(invalid)
  },
)

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
