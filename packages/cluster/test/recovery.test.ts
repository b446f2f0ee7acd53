import type { Offset } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { cluster } from './support/small-cluster.js'

/** What a recovery said: whether it was needed. */
function recoveryAt(end: number, epoch: number = 0) {
  const said: boolean[] = []
  return { word: { end: end as Offset, epoch }, onDone: (wasNeeded: boolean) => void said.push(wasNeeded), said }
}

/** A cluster whose leader and one member are gone with their disks; the third fell out of the in-sync set before, and lacks the last message. */
async function lostInSync() {
  const made = await cluster()
  const { clock, leader, others, inSync } = made
  const left = others[0]!
  const disk = left.crash()
  await clock.run(6000)
  expect(inSync()).not.toContain(left.node.id)
  leader.node.append(100, 1)
  await clock.run(1000)
  for (const broker of [leader, others[1]!]) broker.crash()
  await clock.run(6000)
  return { ...made, left, disk, end: left.node.log.logEndOffset }
}

describe('a cluster that has lost everything in sync', () => {
  it('goes on with the copy that an operator names, and commits nothing before another one has all of it', async () => {
    const { clock, start, left, disk, end, inSync, coordinator } = await lostInSync()
    const recovery = recoveryAt(end, coordinator.store.view().inSync!.epoch)
    const { node } = start(left.node.id, disk, recovery)
    await clock.run(4000)
    expect(recovery.said).toEqual([true])
    expect(node.replication.role).toBe('leader')
    expect(inSync()).toEqual([left.node.id])
    const before = node.log.highWatermark
    const appended = node.append(200, 1)
    await clock.run(3000)
    expect(node.log.highWatermark).toBe(before)
    const fresh = start('d').node
    await clock.run(4000)
    expect(inSync().sort()).toEqual([left.node.id, 'd'].sort())
    expect([node.log.highWatermark, fresh.log.logEndOffset]).toEqual([appended, appended])
  })

  it('does not without the operator', async () => {
    const { clock, start, left, disk } = await lostInSync()
    const { node } = start(left.node.id, disk)
    start('d')
    await clock.run(20_000)
    expect([node.replication.role, node.isServing]).toEqual(['member', false])
  })

  it('refuses a word of an earlier time, when others led since: it holds once', async () => {
    const { clock, start, left, disk, end, coordinator, failures } = await lostInSync()
    const { epoch } = coordinator.store.view().inSync!
    // Another copy is recovered in its place, leads, and is gone as well.
    const other = start('d', { ...disk, log: { ...disk.log, storeId: 'store-d' } }, recoveryAt(end, epoch))
    await clock.run(4000)
    expect(other.node.replication.role).toBe('leader')
    other.crash()
    await clock.run(8000)
    const before = coordinator.store.view().inSync
    start(left.node.id, disk, recoveryAt(end, epoch))
    await clock.run(1000)
    expect(failures).toEqual([expect.stringContaining(`give --recover-at ${end}@${before!.epoch}`)])
    expect(before!.epoch).toBeGreaterThan(epoch)
    expect(coordinator.store.view().inSync).toEqual(before)
  })

  it('refuses another end of the log, and says which it has', async () => {
    const { clock, start, left, disk, end, failures, coordinator } = await lostInSync()
    const before = coordinator.store.view().inSync
    start(left.node.id, disk, recoveryAt(end + 1))
    await clock.run(1000)
    expect(failures).toEqual([
      expect.stringMatching(new RegExp(`nothing was changed: this log ends at ${end} with epoch 1`)),
    ])
    expect(coordinator.store.view().inSync).toEqual(before)
  })

  it('is done again after a crash between the coordinator and the disk', async () => {
    const { clock, start, left, disk, end, coordinator, leading } = await lostInSync()
    coordinator.wipe()
    const first = start(left.node.id, disk, recoveryAt(end))
    // The record takes a while to be saved; the coordinator has the new set by then.
    while (coordinator.store.view().inSync === undefined) await clock.run(1)
    const crashed = first.crash()
    expect(crashed.record).toEqual(disk.record)
    const recovery = recoveryAt(end)
    const { node } = start(left.node.id, crashed, recovery)
    await clock.run(4000)
    expect(recovery.said).toEqual([true])
    expect(node.replication.role).toBe('leader')
    expect(leading()).toBeUndefined()
  })
})

describe('a coordinator that was wiped', () => {
  it('is told of the cluster by the copy that an operator names; the others come with empty disks', async () => {
    const { clock, start, brokers, coordinator, end, failures } = await cluster()
    const disks = brokers.map((broker) => ({ id: broker.node.id, disk: broker.crash() }))
    coordinator.wipe()
    const [first, second] = disks
    start(second!.id, second!.disk)
    await clock.run(2000)
    expect(failures).toEqual([
      expect.stringMatching(/the coordinator is another one .* the log ends at \d+ with epoch 1/),
    ])
    const { node } = start(first!.id, first!.disk, recoveryAt(brokers[0]!.node.log.logEndOffset))
    const fresh = start(second!.id).node
    await clock.run(8000)
    expect(node.isServing).toBe(true)
    expect(node.log.highWatermark).toBeGreaterThan(end)
    expect(fresh.log.highWatermark).toBe(node.log.highWatermark)
  })

  it('is not told twice: a second copy is refused while the first one leads', async () => {
    const { clock, start, brokers, coordinator, failures } = await cluster()
    const disks = brokers.map((broker) => broker.crash())
    coordinator.wipe()
    const [first, second] = brokers
    start(first!.node.id, disks[0], recoveryAt(first!.node.log.logEndOffset))
    await clock.run(4000)
    start(second!.node.id, disks[1], recoveryAt(second!.node.log.logEndOffset))
    await clock.run(1000)
    expect(failures).toEqual([expect.stringContaining(`nothing was changed: ${first!.node.id} leads`)])
  })
})

describe('where there is nothing to recover', () => {
  it('a broker that is in sync goes on as if it had not been asked', async () => {
    const { clock, others, start, coordinator } = await cluster()
    const disk = others[0]!.crash()
    const recovery = recoveryAt(0)
    const { node } = start(others[0]!.node.id, disk, recovery)
    const { inSync } = coordinator.store.view()
    await clock.run(1000)
    expect(recovery.said).toEqual([false])
    expect([node.replication.role, coordinator.store.view().inSync]).toEqual(['member', inSync])
  })

  it('so does one that is not, while another one leads: whoever starts brokers again may leave the option where it is', async () => {
    const { clock, others, start, failures } = await cluster()
    const disk = others[0]!.crash()
    await clock.run(6000)
    const recovery = recoveryAt(0)
    const { node } = start(others[0]!.node.id, disk, recovery)
    await clock.run(4000)
    expect([recovery.said, failures, node.replication.role]).toEqual([[false], [], 'member'])
  })

  it('refuses on an empty disk', async () => {
    const { clock, start, failures } = await lostInSync()
    start('d', undefined, recoveryAt(0))
    await clock.run(1000)
    expect(failures).toEqual([expect.stringContaining('belongs to no cluster')])
  })
})
