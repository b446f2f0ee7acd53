import { expect, test } from 'vitest'
import { pageText } from '../../src/commands/lists.js'

const session = { clientId: 'a\tb', connected: false, expirySec: 60, closedAt: 0, subscriptions: 2, hasWill: true }

test('a pipe gets fields with tabs between them, and no tab within', () => {
  expect(pageText('sessions', [session], false, false)).toBe('a\\tb\tno\t1970-01-01T00:00:00.000Z\t60s\t2\tyes')
  expect(
    pageText(
      'topics',
      [
        { topic: 'A', retainedOffset: null },
        { topic: 'B', retainedOffset: 0 },
      ],
      false,
      false,
    ),
  ).toBe('A\t\nB\t0')
})

test('JSON is what the broker said, an entry a line', () => {
  expect(pageText('sessions', [session, session], true, true)).toBe(
    `${JSON.stringify(session)}\n${JSON.stringify(session)}`,
  )
})

test('a terminal gets a table in which nothing moves the cursor', () => {
  const one = {
    clientId: 'c',
    name: 'n\u001b[2J',
    filters: ['a/#', 'b'],
    qos: 1,
    position: 5,
    lag: 2,
    unacked: 1,
    attached: true,
  }
  expect(pageText('subscriptions', [one], true, false)).toBe(
    'CLIENT  NAME        FILTERS  QOS  POSITION  LAG  UNACKED  ATTACHED\n' +
      'c       n\\u001b[2J  a/# b    1    5         2    1        yes',
  )
})

test('what a newer broker leaves out or adds does no harm', () => {
  expect(pageText('topics', [{}, { topic: { x: 1 }, more: true }], false, false)).toBe('\t\n[object Object]\t')
  expect(pageText('sessions', [{ closedAt: 1e300 }], false, false)).toBe('\tno\t1e+300\tundefineds\t\tno')
})
