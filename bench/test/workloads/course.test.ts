import { expect, test } from 'vitest'
import { messagesFor } from '../../src/workloads/course.js'

test.each([
  ['a slow system gets as many messages as it does in the time', 1000, 5000],
  ['a fast one no more than were asked for', 10_000_000, 2_000_000],
  ['one that does nearly nothing gets one', 0.01, 1],
])('%s', (_what, ratePerSec, messages) => {
  expect(messagesFor(ratePerSec, 5, 2_000_000)).toBe(messages)
})
