import { decodePlainCredentials } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { type ConnectOptions, resolveConnectOptions } from '../../src/node/connect-options.js'

const WEEK_SEC = 7 * 24 * 60 * 60

test('every option has the default that its documentation names', () => {
  expect(resolveConnectOptions({})).toEqual({
    clientId: null,
    authMethod: null,
    authData: null,
    cleanSession: false,
    isAlwaysDurable: false,
    sessionExpirySec: 0,
    will: null,
    keepAliveSec: 10,
    connectTimeoutMs: 5000,
    requestTimeoutMs: 10_000,
    publishTimeoutMs: 30_000,
    bufferBytesMax: 8 * 1024 * 1024,
    compression: 'none',
    reconnectMinMs: 100,
    reconnectMaxMs: 5000,
  })
})

test.each<ConnectOptions>([
  { keepAliveSec: 65_536 },
  { connectTimeoutMs: 0 },
  { bufferBytesMax: 0.5 },
  { compression: 'gzip' as never },
  { reconnect: { minMs: -1 } },
  { cleanSession: false },
  { password: 'p' },
  { username: '' },
  { username: 'a\0b' },
  { sessionExpirySec: -1 },
  { will: { topic: 't', value: 'x', delaySec: 0.5 } },
  { will: { topic: 't', value: 'x', ttlMs: 0 } },
  { will: { topic: 't', value: 'x', qos: 3 as never } },
])('%j is refused', (options) => {
  expect(() => resolveConnectOptions(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})

test('a session is kept for 7 days with a client id, and not at all when it is clean, unless the expiry is named', () => {
  const expirySec = (options: ConnectOptions) => resolveConnectOptions(options).sessionExpirySec
  expect(expirySec({ clientId: 'c' })).toBe(WEEK_SEC)
  expect(expirySec({ clientId: 'c', cleanSession: false })).toBe(WEEK_SEC)
  expect(expirySec({ clientId: 'c', cleanSession: true })).toBe(0)
  expect(expirySec({ clientId: 'c', cleanSession: true, sessionExpirySec: 5 })).toBe(5)
})

test('a user name and a password travel as PLAIN, the password empty when there is none', () => {
  const credentials = (options: ConnectOptions) => {
    const { authMethod, authData } = resolveConnectOptions(options)
    return [authMethod, decodePlainCredentials(authData!)]
  }
  expect(credentials({ username: 'ann', password: 'secret' })).toEqual([
    'PLAIN',
    { username: 'ann', password: 'secret' },
  ])
  expect(credentials({ username: 'ann' })).toEqual(['PLAIN', { username: 'ann', password: '' }])
})

test('a will is checked as a publish is, and fits into the first frame', () => {
  const code = (topic: string, value: unknown) => {
    try {
      resolveConnectOptions({ will: { topic, value } })
      return 'none'
    } catch (error) {
      return (error as { code: string }).code
    }
  }
  expect(code('a/#', 'x')).toBe('INVALID_TOPIC')
  expect(code('a', undefined)).toBe('INVALID_ARGUMENT')
  expect(code('a', 'x'.repeat(61_000))).toBe('none')
  expect(code('a', 'x'.repeat(62_000))).toBe('MESSAGE_TOO_LARGE')
})
