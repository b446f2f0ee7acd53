import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PacketType } from '@gomq/protocol'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { BrokerProcess } from '../../src/node/broker-process.js'
import { exitCodeFor } from '../../src/node/exit-code.js'
import { configurationOf, startBroker, temporaryDirectory } from '../harness/broker-process.js'
import { batchOf, publishPacket, subscribePacket } from '../harness/packets.js'
import { TcpClient } from '../harness/tcp-client.js'

test('the ready line names the real addresses', async () => {
  const broker = await startBroker()
  expect(broker.readyLine).toMatch(/^gomq ready tcp=127\.0\.0\.1:\d+ http=127\.0\.0\.1:\d+$/)
  expect(broker.tcp.port).not.toBe(0)
  const silent = await startBroker(['--http', 'off'])
  expect(silent.readyLine).toMatch(/^gomq ready tcp=127\.0\.0\.1:\d+ http=off$/)
})

test('what was acknowledged is there after a stop and a start, and the epoch has grown', async () => {
  const directory = await temporaryDirectory()
  const first = await startBroker([], directory)
  const publisher = await TcpClient.connect(first.tcp.port)
  for (let i = 0; i < 20; i++) publisher.send(publishPacket(i + 1, batchOf(`orders/${i}`, [`a${i}`, `b${i}`])))
  let epoch = 0
  for (let i = 0; i < 20; i++) epoch = (await publisher.queue.take(PacketType.PUBACK)).epoch
  await first.stop()
  expect((await publisher.queue.take(PacketType.DISCONNECT)).code).toBe('SHUTTING_DOWN')

  const second = await startBroker([], directory)
  const consumer = await TcpClient.connect(second.tcp.port)
  consumer.send(subscribePacket({ filters: ['orders/+'] }))
  const messages = await consumer.queue.messages(40)
  expect(messages.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, i) => [`a${i}`, `b${i}`]).flat())
  consumer.send(publishPacket(99, batchOf('orders/x', ['z'])))
  expect((await consumer.queue.take(PacketType.PUBACK)).epoch).toBe(epoch + 1)
  consumer.close()
})

test('a stop acknowledges what it has received', async () => {
  const broker = await startBroker()
  const client = await TcpClient.connect(broker.tcp.port)
  client.send(...Array.from({ length: 50 }, (_, i) => publishPacket(i + 1, batchOf('a', [`${i}`]))))
  await client.queue.take(PacketType.PUBACK)
  await broker.stop()
  for (let i = 1; i < 50; i++) expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(i + 1)
  expect((await client.queue.take(PacketType.DISCONNECT)).code).toBe('SHUTTING_DOWN')
  await client.queue.closed()
})

test('a second broker on the same directory is refused', async () => {
  const directory = await temporaryDirectory()
  await startBroker([], directory)
  await expect(startBroker([], directory)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
})

test('an address in use is refused with what to do, and the directory is free again', async () => {
  const directory = await temporaryDirectory()
  const broker = await startBroker()
  const configuration = configurationOf(directory, ['--tcp', `127.0.0.1:${broker.tcp.port}`])
  const start = BrokerProcess.start(configuration, pino({ level: 'silent' }), () => undefined)
  await expect(start).rejects.toThrow(`cannot listen on 127.0.0.1:${broker.tcp.port} (EADDRINUSE)`)
  await startBroker([], directory)
})

test('an address for the other brokers that is in use is refused before the broker is ready, and the directory is free again', async () => {
  const directory = await temporaryDirectory()
  const broker = await startBroker()
  const taken = `127.0.0.1:${broker.tcp.port}`
  const elsewhere = ['--advertise-tcp', '127.0.0.1:1', '--advertise-http', '127.0.0.1:1', '--node-id', 'a']
  const args = ['--etcd', 'http://127.0.0.1:1', '--replication', taken, ...elsewhere]
  const configuration = configurationOf(directory, args)
  const failures: Error[] = []
  const start = BrokerProcess.start(configuration, pino({ level: 'silent' }), (error) => failures.push(error))
  const error = await start.catch((cause: unknown) => cause)
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' })
  expect((error as Error).message).toContain(`cannot listen for the other brokers on ${taken}`)
  expect([exitCodeFor(error), failures]).toEqual([78, []])
  await startBroker([], directory)
})

test('an address that is not of this machine is refused with what to do', async () => {
  await expect(startBroker(['--tcp', '192.0.2.1:9000', '--insecure'])).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: 'cannot listen on 192.0.2.1:9000 (EADDRNOTAVAIL); choose an address of this machine with --tcp',
  })
})

test('a directory that cannot be used is refused with what to do', async () => {
  const file = join(await temporaryDirectory(), 'file')
  await writeFile(file, '')
  for (const directory of [file, join(file, 'below')]) {
    await expect(startBroker([], directory)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /^the data directory .* cannot be used \(E.*\); .* or choose another with --data-dir$/,
      ),
    })
  }
})
