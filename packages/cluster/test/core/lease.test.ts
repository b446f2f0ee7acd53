import { expect, it } from 'vitest'
import { LeaderLease } from '../../src/core/lease.js'

it('[R17] a lease counts from the sending of the request, less a second', () => {
  const lease = new LeaderLease()
  lease.handleRenewed(10_000, 5000)
  lease.handleKeySeen()
  expect([lease.isValid(13_999), lease.isValid(14_000)]).toEqual([true, false])
})

it('[R17] a renewal is worth nothing until a read of the same round has shown the key', () => {
  const lease = new LeaderLease()
  lease.handleRenewed(10_000, 5000)
  expect(lease.isValid(10_001)).toBe(false)
  lease.handleKeySeen()
  lease.handleRenewed(12_000, 5000)
  expect([lease.isValid(13_999), lease.isValid(14_000)]).toEqual([true, false])
})

it('a lease that is gone is not valid, nor is a later one until the key is seen under it', () => {
  const lease = new LeaderLease()
  lease.handleRenewed(0, 5000)
  lease.handleKeySeen()
  lease.handleLost()
  expect(lease.isValid(1)).toBe(false)
  lease.handleRenewed(1, 5000)
  expect(lease.isValid(1)).toBe(false)
})
