import { GomqError } from '@gomq/client'
import { expect, test } from 'vitest'
import { explainConnectFailure } from '../src/connection.js'

function unavailable(systemCode: string): GomqError {
  const cause = Object.assign(new Error(`connect ${systemCode}`), { code: systemCode })
  return new GomqError('UNAVAILABLE', `no connection to gomq://a:1: connect ${systemCode}`, { cause })
}

test.each([
  [
    unavailable('ECONNREFUSED'),
    /^no broker listens at a:1; start one there \(npx gomq\) or name another with --connect/,
  ],
  [unavailable('ENOTFOUND'), /^a:1 is no host that can be found; name the broker with --connect/],
  [unavailable('EHOSTUNREACH'), /^no broker answers at a:1 \(.*EHOSTUNREACH\); is it running/],
  [
    new GomqError('FRAME_TOO_LARGE', 'a frame announces 1347703880 bytes'),
    /does not speak GoMQ's protocol; if it is the HTTP port/,
  ],
  [new GomqError('AUTH_FAILED', 'the credentials are not accepted'), /^the credentials are not accepted$/],
])('%s says what to do', (failure, text) => {
  const error = explainConnectFailure(failure, ['gomq://a:1'])
  expect(error.message).toMatch(text)
  expect(error.code).toBe(failure.code)
})

test('every address that was tried is named', () => {
  expect(explainConnectFailure(unavailable('ECONNREFUSED'), ['gomq://a:1', 'gomqs://b:2']).message).toContain(
    'a:1, gomqs://b:2',
  )
})
