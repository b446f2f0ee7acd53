import { systemRandom } from '@gomq/protocol/node'
import { expect, test } from 'vitest'

test('the chance of the runtime is at least 0 and below 1', () => {
  for (let i = 0; i < 1000; i++) {
    const number = systemRandom.next()
    expect(number >= 0 && number < 1).toBe(true)
  }
})
