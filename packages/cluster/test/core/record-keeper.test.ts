import type { Epoch } from '@gomq/protocol'
import { expect, it } from 'vitest'
import type { Ready } from '../../src/core/ready.js'
import { RecordKeeper } from '../../src/core/record-keeper.js'

it('one save at a time; what changes meanwhile goes with the next', () => {
  const ready: Ready[] = []
  const keeper = new RecordKeeper(undefined, (item) => ready.push(item))
  expect(keeper.isSettled).toBe(true)
  keeper.update({ epoch: 1 as Epoch })
  keeper.update({ epoch: 2 as Epoch })
  keeper.update({ isFilling: true })
  expect(ready).toMatchObject([{ kind: 'persist', record: { epoch: 1, isFilling: false } }])
  keeper.handlePersisted()
  expect(keeper.isSettled).toBe(false)
  expect(ready[1]).toMatchObject({ kind: 'persist', record: { epoch: 2, isFilling: true } })
  keeper.handlePersisted()
  expect([keeper.isSettled, ready.length]).toEqual([true, 2])
})

it('[R2] only what concerns this cluster moves the revision that is kept', () => {
  const ready: Ready[] = []
  const keeper = new RecordKeeper(undefined, (item) => ready.push(item))
  const view = { coordinatorId: 'etcd', revision: 99, cluster: undefined, leader: undefined, brokers: [] }
  keeper.handleView({ ...view, inSync: { epoch: 1 as Epoch, members: [], modRevision: 7 } })
  keeper.handleView({ ...view, inSync: { epoch: 1 as Epoch, members: [], modRevision: 7 } })
  expect(ready).toMatchObject([{ record: { coordinatorRevision: 7 } }])
})
