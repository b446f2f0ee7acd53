import { MemoryNetwork, SimCoordinator } from '@gomq/cluster/testing'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, it } from 'vitest'
import { Node } from './support/node.js'
import { ProcessClock, VirtualClock } from './support/virtual-clock.js'

/** Three brokers without faults. */
function cluster(seed = 1) {
  const clock = new VirtualClock()
  const random = new SeededRandom(seed)
  const coordinator = new SimCoordinator(clock, random)
  const network = new MemoryNetwork(clock, random)
  const start = (id: string, disk = { log: { storeId: `store-${id}` }, record: undefined, snapshot: undefined }) => {
    const own = new ProcessClock(clock)
    const client = coordinator.client(own)
    const transport = network.transport(id, own)
    const events = {
      handleLeading: () => {},
      handleCommitted: () => {},
      handleFailure: (_: Node, error: Error) => expect.fail(String(error)),
    }
    const node = new Node({ id, replicas: 3, clock: own, random, coordinator: client, transport, disk, events })
    node.replication.start()
    return { node, client, transport }
  }
  return { clock, coordinator, network, start }
}

describe('a cluster without faults', () => {
  it('forms when f + 1 brokers are there, elects one, and commits what all in sync have', async () => {
    const { clock, coordinator, start } = cluster()
    const a = start('a').node
    await clock.run(3000)
    expect(a.replication.role).toBe('joining')
    const b = start('b').node
    await clock.run(3000)
    expect([a, b].map((node) => node.replication.role).sort()).toEqual(['leader', 'member'])
    const leader = [a, b].find((node) => node.isServing)!
    const end = leader.append(7, 3)
    await clock.run(500)
    expect([a.log.highWatermark, b.log.highWatermark]).toEqual([end, end])
    const c = start('c').node
    await clock.run(3000)
    expect(coordinator.store.view().inSync?.members.map(({ id }) => id)).toEqual(['a', 'b', 'c'])
    expect(c.log.highWatermark).toBe(end)
    expect(leader.replication.status.trouble).toBeUndefined()
  })
})
