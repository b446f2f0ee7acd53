import { SimCoordinator, VirtualClock } from '@gomq/cluster/testing'
import type { Epoch } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, it } from 'vitest'

const addresses = { tcp: '', http: '', replication: '' }
const a = { id: 'a', storeId: 'a1' }
const b = { id: 'b', storeId: 'b1' }
const broker = { ...a, addresses, version: '', isEmpty: true }

/** What a call comes to, with time. */
async function within<T>(clock: VirtualClock, call: Promise<T>, ms = 2000): Promise<T | 'failed'> {
  const settled = call.catch((): 'failed' => 'failed')
  await clock.run(ms)
  return settled
}

async function formed() {
  const clock = new VirtualClock()
  const coordinator = new SimCoordinator(clock, new SeededRandom(1))
  const client = coordinator.client()
  const lease = await within(clock, client.register(broker, 60_000))
  if (lease === 'failed') throw new Error('no lease')
  await within(clock, client.form({ uuid: 'u', replicas: 3 }, [a, b]))
  const campaign = (epoch: number, inSyncRevision = coordinator.store.view().inSync!.modRevision) =>
    client.campaign({ lease, leader: { ...a, epoch: epoch as Epoch, addresses }, members: [a, b], inSyncRevision })
  return { clock, coordinator, client, lease, campaign }
}

describe('a coordinator in memory', () => {
  it('lets a lease run out, with what stands under it, and grants no less than 2 s', async () => {
    const clock = new VirtualClock()
    const { store } = new SimCoordinator(clock, new SeededRandom(1))
    const lease = store.register(broker, 1)
    expect(lease.ttlMs).toBe(2000)
    await clock.run(1999)
    expect(store.keepAlive(lease.id)).toBe(2000)
    await clock.run(2000)
    expect([store.keepAlive(lease.id), store.view().brokers]).toEqual([0, []])
  })

  it('forms once; elects one while nobody leads and the set stands', async () => {
    const { clock, coordinator, client, campaign } = await formed()
    expect(await within(clock, client.form({ uuid: 'x', replicas: 3 }, [b]))).toMatchObject({ kind: 'refused' })
    expect(await within(clock, campaign(1, 1))).toMatchObject({ kind: 'refused' })
    expect(await within(clock, campaign(1))).toMatchObject({
      kind: 'done',
      view: { leader: { ...a, epoch: 1 }, inSync: { epoch: 1 } },
    })
    expect(await within(clock, campaign(2))).toMatchObject({ kind: 'refused' })
    const revision = coordinator.store.view().leader!.createRevision
    expect(await within(clock, client.removeLeader(revision + 1))).toMatchObject({ kind: 'refused' })
    expect(await within(clock, client.removeLeader(revision))).toMatchObject({
      kind: 'done',
      view: { leader: undefined },
    })
  })

  it('[R19] appoints one copy while nobody leads and the set stands, also where nothing is known', async () => {
    const { clock, client, coordinator, campaign } = await formed()
    const revision = () => coordinator.store.view().inSync?.modRevision ?? 0
    const appoint = (inSyncRevision: number) =>
      within(
        clock,
        client.appoint({ cluster: { uuid: 'u', replicas: 3 }, epoch: 7 as Epoch, member: b, inSyncRevision }),
      )
    expect(await appoint(revision() - 1)).toMatchObject({ kind: 'refused' })
    expect(await appoint(revision())).toMatchObject({ kind: 'done', view: { inSync: { epoch: 7, members: [b] } } })
    await within(clock, campaign(8))
    expect(await appoint(revision())).toMatchObject({ kind: 'refused' })
    coordinator.wipe()
    expect(await appoint(0)).toMatchObject({ kind: 'done', view: { cluster: { uuid: 'u' }, inSync: { members: [b] } } })
  })

  it('[R7] changes the set only for the leader that leads, from the set that it knows', async () => {
    const { clock, coordinator, client, campaign } = await formed()
    await within(clock, campaign(1))
    const { leader, inSync } = coordinator.store.view()
    const change = (leaderRevision: number, inSyncRevision: number) =>
      within(clock, client.changeInSync({ epoch: 1 as Epoch, members: [a], leaderRevision, inSyncRevision }))
    expect(await change(leader!.createRevision - 1, inSync!.modRevision)).toMatchObject({ kind: 'refused' })
    expect(await change(leader!.createRevision, inSync!.modRevision - 1)).toMatchObject({ kind: 'refused' })
    expect(await change(leader!.createRevision, inSync!.modRevision)).toMatchObject({
      kind: 'done',
      view: { inSync: { members: [a] } },
    })
  })

  it('does what a lost reply says nothing of, and what a late request asks after it was given up', async () => {
    const { clock, coordinator, client, campaign } = await formed()
    client.faults.lostReplies = 1
    expect(await within(clock, campaign(1), 1500)).toEqual({ kind: 'unknown' })
    const { leader } = coordinator.store.view()
    expect(leader?.epoch).toBe(1)
    client.faults.lostReplies = 0
    client.faults.lateRequests = 1
    expect(await within(clock, client.removeLeader(leader!.createRevision), 1500)).toEqual({ kind: 'unknown' })
    await clock.run(6000)
    expect(coordinator.store.view().leader).toBeUndefined()
  })

  it('cannot be reached through a cut, and is another one after a wipe', async () => {
    const { clock, coordinator, client } = await formed()
    client.faults.isUnreachable = true
    expect(await within(clock, client.read())).toBe('failed')
    client.faults.isUnreachable = false
    const before = coordinator.store.view()
    coordinator.wipe()
    const after = await within(clock, client.read())
    expect(after).toMatchObject({ cluster: undefined, leader: undefined, brokers: [] })
    expect((after as typeof before).coordinatorId).not.toBe(before.coordinatorId)
  })
})
