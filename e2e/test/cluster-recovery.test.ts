import { rmSync } from 'node:fs'
import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { ClusterProcesses, statusOf } from './support/cluster-processes.js'
import { etcdMissing } from './support/etcd-process.js'
import { freePort } from './support/free-port.js'
import { readAll } from './support/read-all.js'

const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)

test('a cluster whose etcd was wiped goes on from the copy that --recover-at names, with all that was acknowledged', async (context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
  await using cluster = await ClusterProcesses.start()
  await using mq = await connect(cluster.urls)
  for (const number of numbers(50)) await mq.publish('t', number)
  await mq.close()
  await cluster.settled()
  await Promise.all(cluster.brokers.map((broker) => broker.kill()))
  await cluster.etcd.wipe()
  await cluster.etcd.start()
  const [first, ...others] = cluster.brokers
  await first!.restart().catch(() => undefined)
  expect(await first!.ended).toBe(78)
  const said = /etcd was (?:wiped|restored).*the log ends at (\d+) with epoch \d+/.exec(first!.stderr)
  expect(said, first!.stderr).not.toBeNull()
  await first!.restart({ env: { GOMQ_RECOVER_AT: `${said![1]}@0` } })
  for (const broker of others) rmSync(broker.dataDirectory, { recursive: true })
  await Promise.all(others.map((broker) => broker.restart()))
  await cluster.settled()
  expect(first!.stderr).toContain('the cluster was recovered from this copy')
  expect(await readAll((await cluster.leader()).url, 't')).toEqual(numbers(50))
  // Once more with the option, as a service manager would do it: nothing to recover.
  await first!.restart()
  await cluster.settled()
  expect(first!.stderr).toContain('--recover-at was not needed')
})

test('a broker of another name takes the place of one that is gone for good', async (context) => {
  if (etcdMissing !== undefined) context.skip(etcdMissing)
  await using cluster = await ClusterProcesses.start()
  await using mq = await connect(cluster.urls)
  for (const number of numbers(50)) await mq.publish('t', number)
  const ports = [await freePort(), await freePort(), await freePort()]
  const args = ['--etcd', cluster.etcd.url, '--cluster', 'test', '--node-id', 'b4', '--tcp', `127.0.0.1:${ports[0]}`]
  args.push('--http', `127.0.0.1:${ports[1]}`, '--replication', `127.0.0.1:${ports[2]}`)
  await using spare = BrokerProcess.prepare({ args })
  await spare.restart()
  const inSync = async () => {
    const status = await statusOf(await cluster.leader())
    return status?.brokers
      .filter(({ isInSync }) => isInSync)
      .map(({ id }) => id)
      .sort()
  }
  const copied = async () => {
    const status = await statusOf(await cluster.leader())
    const [own, copy] = ['b1', 'b4'].map((id) => status?.brokers.find((broker) => broker.id === id))
    return copy !== undefined && copy.logEndOffset === own?.logEndOffset
  }
  await expect.poll(copied, { timeout: 30_000 }).toBe(true)
  expect(await inSync()).toEqual(['b1', 'b2', 'b3'])
  const gone = cluster.others(await cluster.leader())[0]!
  await gone.kill()
  const left = ['b1', 'b2', 'b3', 'b4'].filter((id) => id !== `b${1 + cluster.brokers.indexOf(gone)}`)
  await expect.poll(inSync, { timeout: 30_000 }).toEqual(left)
  // It counts: with a second one of the old ones gone, publishes go on.
  await (await cluster.leader()).kill()
  await mq.publish('t', '50')
  expect(await readAll(await servingUrl([...cluster.brokers, spare]), 't')).toEqual(numbers(51))
})

async function servingUrl(brokers: readonly BrokerProcess[]): Promise<string> {
  for (const broker of brokers) if ((await statusOf(broker))?.role === 'leader') return broker.url
  throw new Error('nobody leads')
}
