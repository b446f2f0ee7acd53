import type { ClusterReplicationOptions } from '@gomq/cluster'
import { MemoryNetwork, SimCoordinator, VirtualClock } from '@gomq/cluster/testing'
import type { Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { type Disk, Node } from './node.js'
import { ProcessClock } from './process-clock.js'

/** A cluster in virtual time. */
export function world() {
  const clock = new VirtualClock()
  const random = new SeededRandom(1)
  const coordinator = new SimCoordinator(clock, random)
  const network = new MemoryNetwork(clock, random)
  const failures: string[] = []
  const events = {
    handleLeading: () => {},
    handleCommitted: () => {},
    handleFailure: (_: Node, error: Error) => void failures.push(error.message),
  }
  const start = (id: string, disk?: Disk, recovery?: ClusterReplicationOptions['recovery']) => {
    const own = new ProcessClock(clock)
    const client = coordinator.client(own)
    const transport = network.transport(id, own)
    const made = disk ?? { log: { storeId: `store-${id}` }, record: undefined, snapshot: undefined }
    const ports = { clock: own, random, coordinator: client, transport }
    const node = new Node({ id, replicas: 3, ...ports, disk: made, events, recovery })
    node.replication.start()
    let isOver = false
    const crash = () => {
      isOver = true
      const left = node.crash(random)
      transport.crash()
      client.crash()
      return left
    }
    return { node, client, transport, crash, hasCrashed: () => isOver }
  }
  return { clock, coordinator, network, failures, random, start }
}

/** Three brokers, formed, and 20 messages committed. */
export async function cluster() {
  const made = world()
  const brokers = ['a', 'b', 'c'].map((id) => made.start(id))
  await made.clock.run(4000)
  const leader = brokers.find(({ node }) => node.isServing)!
  const others = brokers.filter((broker) => broker !== leader)
  let end = 0 as Offset
  for (let message = 1; message <= 20; message++) end = leader.node.append(message, 2)
  await made.clock.run(1000)
  const inSync = () =>
    made.coordinator.store
      .view()
      .inSync!.members.map(({ id }) => id)
      .sort()
  const leading = () => brokers.find((broker) => broker.node.isServing && !broker.hasCrashed())
  return { ...made, brokers, leader, others, end, inSync, leading }
}
