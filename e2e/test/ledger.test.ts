import { expect, test } from 'vitest'
import { Ledger } from './support/ledger.js'

// The ledger decides whether a campaign passed, so planted faults must show in it.
function ledgerOfThree(): Ledger {
  const ledger = new Ledger()
  for (let sequence = 0; sequence < 3; sequence++) ledger.settle('p', sequence, 'acked')
  return ledger
}

test('the ledger is content with what was acked, once and in order', () => {
  expect(ledgerOfThree().audit(['p:0', 'p:1', 'p:2'])).toMatchObject({
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    unheardOf: 0,
  })
})

test.each([
  ['a lost message', ['p:0', 'p:2'], { lost: 1, firstLost: 'p:1' }],
  ['a doubled message', ['p:0', 'p:1', 'p:1', 'p:2'], { duplicated: 1 }],
  ['messages out of order', ['p:1', 'p:0', 'p:2'], { outOfOrder: 1 }],
  ['a message nobody published', ['p:0', 'p:1', 'p:2', 'q:0'], { unheardOf: 1 }],
])('the ledger finds %s', (_what, stored, expected) => {
  expect(ledgerOfThree().audit(stored)).toMatchObject(expected)
})

test('the ledger finds a message that was refused and stored all the same', () => {
  const ledger = ledgerOfThree()
  ledger.settle('p', 3, 'refused')
  expect(ledger.audit(['p:0', 'p:1', 'p:2', 'p:3'])).toMatchObject({ refusedButStored: 1, lost: 0 })
})
