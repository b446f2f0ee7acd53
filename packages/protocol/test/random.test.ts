import { randomIdentity, randomInteger } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'

const lowest = { next: () => 0 }
const highest = { next: () => 1 - 2 ** -53 }

test('an integer is at least its minimum and below its maximum', () => {
  expect([randomInteger(lowest, 5, 8), randomInteger(highest, 5, 8)]).toEqual([5, 7])
})

test('an identity is a safe integer above zero, also at the ends of chance', () => {
  expect(randomIdentity(lowest)).toBe(1)
  expect(randomIdentity(highest)).toBe(2 ** 53 - 1)
  const random = new SeededRandom(1)
  const identities = new Set(Array.from({ length: 10_000 }, () => randomIdentity(random)))
  expect(identities.size).toBe(10_000)
  for (const identity of identities) expect(Number.isSafeInteger(identity) && identity > 0).toBe(true)
})
