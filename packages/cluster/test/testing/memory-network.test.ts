import type { Link, LinkHandler, ReplicaMessage } from '@gomq/cluster'
import { MemoryNetwork, VirtualClock } from '@gomq/cluster/testing'
import type { Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, it } from 'vitest'

function end() {
  const heard: (number | 'closed')[] = []
  let link: Link | undefined
  const accept = (opened: Link): LinkHandler => {
    link = opened
    return {
      handleMessage: (message) => void heard.push(message.kind === 'synced' ? message.offset : -1),
      handleDrained: () => {},
      handleClosed: () => void heard.push('closed'),
    }
  }
  return { heard, accept, link: () => link! }
}

const message = (offset: number): ReplicaMessage => ({ kind: 'synced', offset: offset as Offset })

async function pair() {
  const clock = new VirtualClock()
  const network = new MemoryNetwork(clock, new SeededRandom(1))
  const [near, far] = [end(), end()]
  const transports = [network.transport('a'), network.transport('b')] as const
  await transports[1].listen(far.accept)
  transports[0].open('b', near.accept, () => expect.fail('not opened'))
  await clock.run(100)
  return { clock, network, near, far, transports }
}

it('messages arrive in order, both ways', async () => {
  const { clock, near, far } = await pair()
  for (let i = 0; i < 50; i++) {
    near.link().send(message(i))
    far.link().send(message(100 + i))
  }
  await clock.run(100)
  expect(far.heard).toEqual(Array.from({ length: 50 }, (_, i) => i))
  expect(near.heard).toEqual(Array.from({ length: 50 }, (_, i) => 100 + i))
})

it('a cut holds one direction back, also the news of the end', async () => {
  const { clock, network, near, far } = await pair()
  network.cut('a', 'b')
  near.link().send(message(1))
  far.link().send(message(2))
  await clock.run(100)
  near.link().close()
  await clock.run(100)
  expect([near.heard, far.heard]).toEqual([[2, 'closed'], []])
  network.heal('a', 'b')
  await clock.run(100)
  expect(far.heard).toEqual([1, 'closed'])
})

it('a process that has ended is refused, a host that is down or cut off only fails, late', async () => {
  const { clock, network, transports, near } = await pair()
  transports[1].crash()
  await clock.run(100)
  expect(near.heard).toEqual(['closed'])
  const failures: string[] = []
  const open = () =>
    transports[0].open(
      'b',
      () => expect.fail('opened'),
      (reason) => failures.push(reason),
    )
  open()
  await clock.run(100)
  expect(failures).toEqual(['refused'])
  network.setDown('b', true)
  open()
  await clock.run(500)
  expect(failures).toEqual(['refused'])
  await clock.run(1000)
  expect(failures).toEqual(['refused', 'failed'])
})

it('a message that is lost takes its link with it: what was sent before arrives, and nothing later', async () => {
  const { clock, network, near, far } = await pair()
  near.link().send(message(1))
  network.lossRate = 1
  near.link().send(message(2))
  network.lossRate = 0
  near.link().send(message(3))
  await clock.run(100)
  expect([near.heard, far.heard, network.lost]).toEqual([['closed'], [1, 'closed'], 1])
})
