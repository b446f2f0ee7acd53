import { expect, test } from 'vitest'
import { parseAddress } from '../../src/node/address.js'

test.each([
  ['gomq://h:1', 'h', 1, false],
  ['gomqs://h', 'h', 9000, true],
  ['h:7', 'h', 7, false],
  ['127.0.0.1', '127.0.0.1', 9000, false],
  ['gomq://[::1]:5', '::1', 5, false],
])('%s is an address', (text, host, port, isTls) => {
  expect(parseAddress(text)).toEqual({ host, port, isTls, text })
})

test.each(['', 'http://h', 'gomq://', 'gomq://h:99999', 'a b'])("'%s' is none", (text) => {
  expect(() => parseAddress(text)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
})
