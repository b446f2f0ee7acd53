import { DEFLATE_FEATURE, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { startBroker } from '../../harness/broker-process.js'
import { call, publish } from '../../harness/http-client.js'
import { compressedBatchOf, lyingBatchOf, publishPacket } from '../../harness/packets.js'
import { TcpClient } from '../../harness/tcp-client.js'

test('GET /messages shows the messages of compressed batches like others, page by page', async () => {
  const broker = await startBroker()
  const client = await TcpClient.connect(broker.tcp.port, null, [DEFLATE_FEATURE])
  client.send(publishPacket(5, compressedBatchOf('a', ['1', '2', '3', '4', '5'])))
  await client.queue.take(PacketType.PUBACK)
  await publish(broker, { topic: 'a', body: '6' })
  client.send(publishPacket(6, compressedBatchOf('a', ['7', '8'])))
  await client.queue.take(PacketType.PUBACK)
  const seen: string[] = []
  let pages = 0
  for (let path: string | undefined = '/messages?topic=a&limit=2'; path !== undefined; pages++) {
    const { json } = await call(broker, 'GET', path)
    for (const { value, encoding } of json['message_list'] as { value: string; encoding: string }[]) {
      seen.push(value.trimEnd())
      expect(encoding).toBe('text')
    }
    path = json['next'] === undefined ? undefined : `/messages?topic=a&limit=2&from=${json['next']}`
  }
  expect([seen, pages]).toEqual([['1', '2', '3', '4', '5', '6', '7', '8'], 4])
  client.close()
})

test('GET /messages shows the messages of a batch that cannot be decompressed as bad, and those beside it as they are', async () => {
  const broker = await startBroker()
  const client = await TcpClient.connect(broker.tcp.port, null, [DEFLATE_FEATURE])
  client.send(publishPacket(5, lyingBatchOf('a', ['1', '2'])))
  await client.queue.take(PacketType.PUBACK)
  await publish(broker, { topic: 'a', body: 'sound' })
  const { json, status } = await call(broker, 'GET', '/messages?topic=a')
  expect(status).toBe(200)
  expect(json['message_list']).toMatchObject([
    { value: null, encoding: 'bad' },
    { value: null, encoding: 'bad' },
    { value: 'sound', encoding: 'text' },
  ])
  client.close()
})
