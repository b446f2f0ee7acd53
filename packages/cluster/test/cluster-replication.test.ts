import { baseOffsetOf, epochOf, GomqError, type Offset } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import type { Disk } from './support/node.js'
import { cluster, world } from './support/small-cluster.js'
import { messageOf } from './support/test-batch.js'

const described = (batch: Uint8Array) => ({
  at: baseOffsetOf(batch),
  epoch: epochOf(batch),
  message: messageOf(batch),
})

describe('a cluster', () => {
  it('forms when f + 1 brokers are there, elects one, and commits what all in sync have', async () => {
    const { clock, start } = world()
    const a = start('a').node
    await clock.run(3000)
    expect(a.replication.role).toBe('joining')
    expect(a.replication.status.trouble).toMatch(/forms when 2 brokers.*1 are/)
    const b = start('b').node
    await clock.run(3000)
    expect([a, b].map((node) => node.replication.role).sort()).toEqual(['leader', 'member'])
    const leader = [a, b].find((node) => node.isServing)!
    const end = leader.append(7, 3)
    await clock.run(500)
    expect([a.log.highWatermark, b.log.highWatermark]).toEqual([end, end])
  })

  it('takes a third one in when it has caught up', async () => {
    const { brokers, end, inSync, leader } = await cluster()
    expect(inSync()).toEqual(['a', 'b', 'c'])
    expect(brokers.map(({ node }) => node.log.highWatermark)).toEqual([end, end, end])
    expect(leader.node.replication.status.trouble).toBeUndefined()
    expect(leader.node.replication.status.brokers.map(({ id, lag }) => [id, lag]).sort()).toEqual([
      ['a', 0],
      ['b', 0],
      ['c', 0],
    ])
  })
})

describe('a publish', () => {
  it('waits for the slowest disk, and not for one after the other', async () => {
    const { clock, brokers, leader } = await cluster()
    for (const { node } of brokers) node.syncMsMax = 1000
    const waits: number[] = []
    for (let message = 100; message < 120; message++) {
      const sentMs = clock.monotonicMs()
      const end = leader.node.append(message, 1)
      while (leader.node.log.highWatermark < end) await clock.run(1)
      waits.push(clock.monotonicMs() - sentMs)
      await clock.run(2000)
    }
    // The leader's write, a member's round, the way there and back; the leader's own sync goes on beside it.
    expect(Math.max(...waits)).toBeLessThanOrEqual(0.2 * 1000 + 1000 + 2 * 3 + 1)
  })

  it('has left for the members before the leader syncs it, for which its loop may stand still', async () => {
    const { leader, others } = await cluster()
    const flushed = new Promise<void>(() => undefined)
    for (const { transport } of [leader, ...others]) Object.assign(transport, { flushed: () => flushed })
    leader.node.append(100, 1)
    expect(leader.node.replication.handleWritten()).toBe(flushed)
    for (const { node } of others) expect(node.replication.handleWritten(), 'a member sends nothing').toBeUndefined()
  })

  it.each([
    ['kept by the next leader, and by the old one', false],
    ['cut at the members, when the old one leads again: in a new epoch', true],
  ])('[R13] that only members have synced when the leader crashes is %s', async (_, isOldOneNext) => {
    const { clock, leader, others, end, start, failures } = await cluster()
    const { epoch } = leader.node.replication.status
    Object.assign(leader.node, { syncMsMax: 1_000_000, writeShare: 0 })
    const sent = leader.node.append(100, 1)
    await clock.run(200)
    expect([leader.node.log.highWatermark, leader.node.log.syncedOffset]).toEqual([end, end])
    expect(others.map(({ node }) => node.log.syncedOffset)).toEqual([sent, sent])
    const log = leader.node.log.crash()
    const disk: Disk = { ...leader.crash(), log }
    const left = isOldOneNext ? others.map((other) => ({ id: other.node.id, disk: other.crash() })) : []
    if (!isOldOneNext) await clock.run(3000)
    const old = start(leader.node.id, disk)
    if (isOldOneNext) await clock.run(8000)
    const nodes = isOldOneNext
      ? [old.node, ...left.map((other) => start(other.id, other.disk).node)]
      : [old.node, ...others.map(({ node }) => node)]
    await clock.run(4000)
    const next = nodes.find((node) => node.isServing)!
    expect(next === old.node).toBe(isOldOneNext)
    expect(next.leadingEpoch).toBeGreaterThan(epoch)
    const newest = next.append(101, 1)
    await clock.run(1000)
    expect(nodes.map((node) => node.log.highWatermark)).toEqual([newest, newest, newest])
    const [first, ...rest] = nodes.map((node) => [...node.log.batchesFrom(0 as Offset)].map(described))
    expect(rest).toEqual([first, first])
    expect(first!.some(({ message }) => message === 100)).toBe(!isOldOneNext)
    expect(failures).toEqual([])
  })
})

describe('failover', () => {
  it("takes under a second when the leader's process dies: its port refuses", async () => {
    const { clock, leader, leading, end } = await cluster()
    leader.crash()
    await clock.run(1000)
    const next = leading()!
    expect(next).not.toBe(leader)
    expect(next.node.log.logEndOffset).toBeGreaterThan(end)
  })

  it("waits for the lease when the leader's host is silent", async () => {
    const { clock, network, leader, leading } = await cluster()
    network.setDown(leader.node.id, true)
    leader.crash()
    await clock.run(3000)
    expect(leading()).not.toBeDefined()
    await clock.run(4000)
    expect(leading()).toBeDefined()
  })

  it('is not needed when a leader hands over: the others have everything, and one leads at once', async () => {
    const { clock, leader, leading, end } = await cluster()
    const resigned = leader.node.replication.resign(3000)
    await clock.run(300)
    await resigned
    expect(leader.node.replication.role).toBe('member')
    expect(leading()).toBeDefined()
    expect(leading()!.node.log.highWatermark).toBeGreaterThanOrEqual(end)
  })

  it('[R18] a leader that does not hear of its lease stops, and goes on in the same epoch if the key is still its own', async () => {
    const { clock, leader } = await cluster()
    const { replication } = leader.node
    const { epoch } = replication.status
    leader.client.faults.lostReplies = 1
    await clock.run(2900)
    expect(replication.mayAcknowledge()).toBe(true)
    await clock.run(1300)
    expect([replication.role, replication.mayAcknowledge()]).toEqual(['suspended', false])
    leader.node.append(99, 1)
    await clock.run(300)
    expect(leader.node.log.highWatermark).toBeLessThan(leader.node.log.logEndOffset)
    leader.client.faults.lostReplies = 0
    await clock.run(2500)
    expect([replication.role, replication.status.epoch]).toEqual(['leader', epoch])
    expect(leader.node.log.highWatermark).toBe(leader.node.log.logEndOffset)
  })

  it('[R3, R18] a leader that is cut off from the coordinator alone hears of the next one from a member', async () => {
    const { clock, leader, leading } = await cluster()
    leader.client.faults.isUnreachable = true
    await clock.run(8000)
    expect(leading()).toBeDefined()
    expect(leading()).not.toBe(leader)
    expect(leader.node.replication.role).toBe('member')
    expect(leader.node.leadingEpoch).toBeUndefined()
  })

  it('[R18] a leader whose key is gone when the coordinator answers again is a member', async () => {
    const { clock, leader, leading } = await cluster()
    leader.client.faults.isUnreachable = true
    await clock.run(8000)
    expect(leading()).toBeDefined()
    expect(leading()).not.toBe(leader)
    leader.client.faults.isUnreachable = false
    await clock.run(2500)
    expect(leader.node.replication.role).toBe('member')
  })
})

describe('members that lag', () => {
  it('leave the in-sync set after the limit, and come back', async () => {
    const { clock, network, leader, others, inSync } = await cluster()
    const slow = others[0]!.node.id
    network.cut(leader.node.id, slow)
    network.cut(slow, leader.node.id)
    leader.node.append(99, 1)
    await clock.run(2000)
    expect(inSync()).toHaveLength(3)
    await clock.run(2000)
    expect(inSync()).not.toContain(slow)
    expect(leader.node.log.highWatermark).toBe(leader.node.log.logEndOffset)
    network.healAll()
    await clock.run(3000)
    expect(inSync()).toContain(slow)
  })

  it('[R6] stay when fewer than f + 1 would be left: nothing commits', async () => {
    const { clock, leader, others, inSync } = await cluster()
    for (const other of others) other.crash()
    const end = leader.node.append(99, 1)
    await clock.run(6000)
    expect(leader.node.replication.role).toBe('leader')
    expect(inSync()).toHaveLength(2)
    expect(leader.node.log.highWatermark).toBeLessThan(end)
    expect(leader.node.replication.status.trouble).toMatch(/nothing commits/)
  })

  it('that are cut off from their leader lead without it after the lag limit, and commit without it at once', async () => {
    const { clock, network, leader, others, leading } = await cluster()
    for (const { node } of others) {
      network.cut(leader.node.id, node.id)
      network.cut(node.id, leader.node.id)
    }
    await clock.run(2500)
    expect(leading()).toBe(leader)
    await clock.run(1500)
    expect(others).toContain(leading())
    // The old one has been silent for longer than the lag limit by then, and nobody waits for it again.
    const end = leading()!.node.append(99, 1)
    await clock.run(1000)
    expect(others.map(({ node }) => node.log.highWatermark)).toEqual([end, end])
  })

  it("[R10, R12] with an empty disk are another copy, which takes the old one's place when it has everything", async () => {
    const { clock, coordinator, others, start, inSync, leader } = await cluster()
    const id = others[0]!.node.id
    others[0]!.crash()
    const again = start(id, { log: { storeId: 'new' }, record: undefined, snapshot: undefined })
    await clock.run(5000)
    expect(inSync()).toEqual(['a', 'b', 'c'])
    expect(coordinator.store.view().inSync!.members.find((member) => member.id === id)?.storeId).toBe('new')
    expect(again.node.log.highWatermark).toBe(leader.node.log.highWatermark)
  })

  it("get a snapshot when the leader's log has lost what they need", async () => {
    const { clock, others, start, inSync, leader, end } = await cluster()
    const id = others[0]!.node.id
    others[0]!.crash()
    leader.node.snapshots.newest = { beginOffset: end, bytes: new Uint8Array(1_000_000).fill(7) }
    const { boundaries } = leader.node.log
    leader.node.log.advanceStart(boundaries[8]!)
    const again = start(id, { log: { storeId: 'new' }, record: undefined, snapshot: undefined })
    await clock.run(5000)
    expect(inSync()).toEqual(['a', 'b', 'c'])
    expect(again.node.snapshots.newest?.beginOffset).toBe(end)
    expect(again.node.snapshots.newest?.bytes.every((byte) => byte === 7)).toBe(true)
    expect(again.node.snapshots.newest?.bytes).toHaveLength(1_000_000)
    expect([again.node.log.logStartOffset, again.node.log.highWatermark]).toEqual([
      boundaries[8],
      leader.node.log.highWatermark,
    ])
    expect(again.node.records.saved?.isFilling).toBe(false)
  })

  it.each(['DISK_FULL', 'CORRUPT_LOG'] as const)('fetch a snapshot again that was refused with %s', async (code) => {
    const { clock, others, start, inSync, leader, end, failures } = await cluster()
    const id = others[0]!.node.id
    others[0]!.crash()
    leader.node.snapshots.newest = { beginOffset: end, bytes: new Uint8Array(1_000_000).fill(7) }
    leader.node.log.advanceStart(leader.node.log.boundaries[8]!)
    const again = start(id, { log: { storeId: 'new' }, record: undefined, snapshot: undefined })
    const { snapshots } = again.node
    const install = snapshots.install.bind(snapshots)
    let refusals = 2
    snapshots.install = async (beginOffset, chunks) => {
      if (refusals === 0) return install(beginOffset, chunks)
      for await (const _ of chunks);
      refusals--
      throw new GomqError(code, 'refused')
    }
    await clock.run(9000)
    expect([refusals, failures]).toEqual([0, []])
    expect(inSync()).toEqual(['a', 'b', 'c'])
    expect(again.node.snapshots.newest?.bytes).toHaveLength(1_000_000)
  })
})

describe('a disk that is full', () => {
  it('keeps a broker from promising what it cannot save; with room it goes on', async () => {
    const { clock, leader, others, leading, failures } = await cluster()
    const records = others.map(({ node }) => node.records)
    const saves = records.map((store) => store.save.bind(store))
    for (const store of records)
      store.save = async () => {
        throw new GomqError('DISK_FULL', 'no room')
      }
    leader.crash()
    await clock.run(10_000)
    expect([leading(), failures]).toEqual([undefined, []])
    for (const [i, store] of records.entries()) store.save = saves[i]!
    await clock.run(3000)
    expect(others).toContain(leading())
    expect(failures).toEqual([])
  })
})

describe('a coordinator that is not the one it was', () => {
  it('[R2] ends a broker with a clear message; the logs stay as they are', async () => {
    const { clock, coordinator, brokers, failures } = await cluster()
    const ends = brokers.map(({ node }) => node.log.logEndOffset)
    coordinator.wipe()
    await clock.run(3000)
    expect(failures).toHaveLength(3)
    expect(failures[0]).toMatch(/etcd was wiped or restored/)
    expect(brokers.map(({ node }) => node.log.logEndOffset)).toEqual(ends)
  })

  it('[R2] is known again by a broker that was stopped meanwhile', async () => {
    const { clock, coordinator, brokers, start, failures } = await cluster()
    const disk = brokers[0]!.crash()
    for (const { crash } of brokers.slice(1)) crash()
    coordinator.wipe()
    const { node } = start('a', disk)
    await clock.run(2000)
    expect(failures).toHaveLength(1)
    expect(node.failure?.message).toMatch(/another one/)
  })
})
