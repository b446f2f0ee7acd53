import { expect, test } from 'vitest'
import { HeldBytes } from '../../../src/node/http/held-bytes.js'

test('what would exceed the bound is refused and not counted, and a release gives everything back once', () => {
  const held = new HeldBytes(100)
  const [first, second] = [{}, {}]
  held.hold(first, 60)
  held.hold(first, 10)
  expect(() => held.hold(second, 31)).toThrow('take 70 bytes; the limit is 100')
  held.hold(second, 30)
  expect(held.bytes).toBe(100)
  held.release(first)
  held.release(first)
  expect(held.bytes).toBe(30)
  held.release(second)
  expect(held.bytes).toBe(0)
})
