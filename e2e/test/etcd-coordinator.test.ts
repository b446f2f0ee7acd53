import { setTimeout as sleep } from 'node:timers/promises'
import type { LeaderKey, RegisteredBroker } from '@gomq/cluster'
import { EtcdCoordinator } from '@gomq/cluster/node'
import type { Epoch } from '@gomq/protocol'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { EtcdProcess, etcdMissing } from './support/etcd-process.js'
import { freePort } from './support/free-port.js'

const addresses = { tcp: '127.0.0.1:1', http: '127.0.0.1:2', replication: '127.0.0.1:3' }
const broker = (id: string): RegisteredBroker => ({
  id,
  storeId: `store-${id}`,
  addresses,
  version: '1',
  isEmpty: true,
})
const members = [
  { id: 'a', storeId: 'store-a' },
  { id: 'b', storeId: 'store-b' },
]
const leader = (id: string, epoch: number): Omit<LeaderKey, 'createRevision'> => ({
  id,
  storeId: `store-${id}`,
  epoch: epoch as Epoch,
  addresses,
})

describe('etcd as the coordinator', () => {
  let etcd: EtcdProcess
  let clusters = 0
  let name: string

  beforeAll(async () => {
    if (etcdMissing === undefined) etcd = await EtcdProcess.start()
  })
  afterAll(async () => {
    await etcd?.[Symbol.asyncDispose]()
  })
  beforeEach((context) => {
    if (etcdMissing !== undefined) context.skip(etcdMissing)
    name = `test-${++clusters}`
  })

  const open = (endpoints: readonly string[] = [etcd.url]) => {
    const coordinator = new EtcdCoordinator({ endpoints, cluster: name })
    return Object.assign(coordinator, { [Symbol.asyncDispose]: () => coordinator.close() })
  }

  test('what is registered is read by others, and gone when the lease is revoked', async () => {
    await using a = open()
    await using b = open()
    expect(await b.read()).toMatchObject({ brokers: [], cluster: undefined, inSync: undefined, leader: undefined })
    const lease = await a.register(broker('a'), 2000)
    expect(lease.ttlMs).toBeGreaterThanOrEqual(2000)
    expect((await b.read()).brokers).toEqual([broker('a')])
    expect(await a.keepAlive(lease)).toBe(lease.ttlMs)
    await a.revoke(lease)
    expect((await b.read()).brokers).toEqual([])
    expect(await a.keepAlive(lease)).toBe(0)
  })

  test('a lease that nobody renews takes its keys with it', async () => {
    await using a = open()
    await a.register(broker('a'), 1000)
    await expect.poll(async () => (await a.read()).brokers.length, { timeout: 10_000, interval: 200 }).toBe(0)
  })

  test('a cluster forms once', async () => {
    await using a = open()
    await using b = open()
    const outcomes = await Promise.all([
      a.form({ uuid: 'one', replicas: 3 }, members),
      b.form({ uuid: 'two', replicas: 3 }, members),
    ])
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['done', 'refused'])
    const { cluster, inSync } = await a.read()
    expect(inSync).toMatchObject({ epoch: 0, members })
    expect(cluster?.uuid).toBe(outcomes[0]!.kind === 'done' ? 'one' : 'two')
  })

  test('of two that campaign, one wins, and only its leader changes the in-sync set', async () => {
    await using a = open()
    await using b = open()
    await a.form({ uuid: 'one', replicas: 3 }, members)
    const inSyncRevision = (await a.read()).inSync!.modRevision
    const leases = [await a.register(broker('a'), 5000), await b.register(broker('b'), 5000)]
    const outcomes = await Promise.all([
      a.campaign({ lease: leases[0]!, leader: leader('a', 1), members, inSyncRevision }),
      b.campaign({ lease: leases[1]!, leader: leader('b', 1), members, inSyncRevision }),
    ])
    expect(outcomes.map(({ kind }) => kind).sort()).toEqual(['done', 'refused'])
    const view = await a.read()
    const won = view.leader!
    expect(view.inSync).toMatchObject({ epoch: 1, members })
    const change = (leaderRevision: number, revision: number) =>
      a.changeInSync({ epoch: 1 as Epoch, members: members.slice(0, 1), leaderRevision, inSyncRevision: revision })
    expect((await change(won.createRevision - 1, view.inSync!.modRevision)).kind).toBe('refused')
    expect((await change(won.createRevision, view.inSync!.modRevision - 1)).kind).toBe('refused')
    const changed = await change(won.createRevision, view.inSync!.modRevision)
    expect(changed).toMatchObject({ kind: 'done', view: { inSync: { members: members.slice(0, 1) } } })
    expect((await a.removeLeader(won.createRevision - 1)).kind).toBe('refused')
    expect(await a.removeLeader(won.createRevision)).toMatchObject({ kind: 'done', view: { leader: undefined } })
  })

  test('one copy is appointed while nobody leads and the set stands, also where nothing is known', async () => {
    await using a = open()
    const appoint = (inSyncRevision: number) =>
      a.appoint({ cluster: { uuid: 'one', replicas: 3 }, epoch: 7 as Epoch, member: members[0]!, inSyncRevision })
    const appointed = { cluster: { uuid: 'one', replicas: 3 }, inSync: { epoch: 7, members: members.slice(0, 1) } }
    expect((await appoint(1)).kind).toBe('refused')
    expect(await appoint(0)).toMatchObject({ kind: 'done', view: appointed })
    expect((await appoint(0)).kind).toBe('refused')
    const { modRevision } = (await a.read()).inSync!
    expect(await appoint(modRevision)).toMatchObject({ kind: 'done', view: appointed })
    const lease = await a.register(broker('a'), 5000)
    const inSyncRevision = (await a.read()).inSync!.modRevision
    await a.campaign({ lease, leader: leader('a', 8), members: members.slice(0, 1), inSyncRevision })
    expect((await appoint((await a.read()).inSync!.modRevision)).kind).toBe('refused')
  })

  test('who campaigns under a lease that is gone is refused', async () => {
    await using a = open()
    await a.form({ uuid: 'one', replicas: 3 }, members)
    const lease = await a.register(broker('a'), 5000)
    await a.revoke(lease)
    const inSyncRevision = (await a.read()).inSync!.modRevision
    const outcome = await a.campaign({ lease, leader: leader('a', 1), members, inSyncRevision })
    expect(outcome).toMatchObject({ kind: 'refused', view: { leader: undefined, inSync: { epoch: 0 } } })
  })

  test('a watch hints at changes, also after etcd was restarted', async () => {
    await using a = open()
    await using b = open()
    let hints = 0
    const end = a.watch(() => hints++)
    await expect.poll(() => hints, { timeout: 5000 }).toBeGreaterThan(0)
    let seen = hints
    await b.register(broker('b'), 5000)
    await expect.poll(() => hints, { timeout: 5000 }).toBeGreaterThan(seen)
    await etcd.kill()
    await expect(a.read()).rejects.toMatchObject({ code: 'COORDINATOR_UNAVAILABLE' })
    expect(await a.removeLeader(1)).toEqual({ kind: 'unknown' })
    await etcd.start()
    await expect
      .poll(
        () =>
          b.register(broker('c'), 5000).then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
    seen = hints
    await expect
      .poll(() => b.register(broker('d'), 5000).then(() => hints), { timeout: 10_000, interval: 500 })
      .toBeGreaterThan(seen)
    end()
  })

  test('an etcd that hangs is answered for in time, and never written to twice', async () => {
    await using a = open()
    await a.read()
    etcd.signal('SIGSTOP')
    const startedMs = performance.now()
    const outcome = await a.form({ uuid: 'one', replicas: 3 }, members)
    expect(performance.now() - startedMs).toBeLessThan(3000)
    expect(outcome).toEqual({ kind: 'unknown' })
    etcd.signal('SIGCONT')
    await expect
      .poll(
        () =>
          a.read().then(
            () => true,
            () => false,
          ),
        { timeout: 10_000 },
      )
      .toBe(true)
  })

  test('of several endpoints one that answers is enough', async () => {
    await using a = open([`http://127.0.0.1:${await freePort()}`, etcd.url])
    expect(await a.read()).toMatchObject({ brokers: [] })
    await sleep(10)
    expect((await a.form({ uuid: 'one', replicas: 3 }, members)).kind).toBe('done')
  })

  test('a value that somebody else has written is named', async () => {
    await using a = open()
    const put = Buffer.from(`/gomq/${name}/leader`).toString('base64')
    await fetch(`${etcd.url}/v3/kv/put`, { method: 'POST', body: JSON.stringify({ key: put, value: 'aGVsbG8=' }) })
    await expect(a.read()).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('leader') })
  })
})
