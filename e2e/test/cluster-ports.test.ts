import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { freePort } from './support/free-port.js'

test('a broker whose address for the others is taken says so and ends with 78, and never that it is ready', async () => {
  const port = await freePort()
  const server = createServer().listen(port, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  // Nobody is at etcd either: that is looked for later, and for as long as it takes.
  const args = ['--etcd', 'http://127.0.0.1:1', '--node-id', 'a', '--replication', `127.0.0.1:${port}`]
  await using broker = BrokerProcess.prepare({ args })
  await expect(broker.restart()).rejects.toThrow('before it was ready')
  expect(await broker.ended).toBe(78)
  expect(broker.printed).toEqual([])
  expect(broker.stderr).toContain(`cannot listen for the other brokers on 127.0.0.1:${port}`)
})
