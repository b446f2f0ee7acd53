import { DEFLATE_FEATURE, type Epoch, GomqError, type Offset, PacketType, stampLeader } from '@gomq/protocol'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { describe, expect, test } from 'vitest'
import type { Broker } from '../../../src/broker.js'
import { HeldBytes } from '../../../src/node/http/held-bytes.js'
import { type MessagePage, messagesRoute } from '../../../src/node/http/messages-route.js'
import { startBroker } from '../../harness/broker-process.js'
import { call, publish } from '../../harness/http-client.js'
import { batchOf, compressedBatchOf, lyingBatchOf, publishPacket } from '../../harness/packets.js'
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

describe('GET /messages while the start of the log moves', () => {
  test('a page that is asked for from below the log begins at its start, and says what is gone', async () => {
    const { page } = movingLog(6)
    expect(await page({ from: '2' })).toMatchObject({ values: [6, 7, 8, 9], missed: { from: 2, to: 6 } })
    expect(await page({ from: '6', limit: '1' })).toEqual({ values: [6], next: 7, missed: undefined })
    expect(await page({}), 'the oldest was asked for').toEqual({
      values: [6, 7, 8, 9],
      next: undefined,
      missed: undefined,
    })
    await expect(page({ from: '11' })).rejects.toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
  })

  test('a page that is overtaken before its first message begins at the start, wherever that is by then', async () => {
    const log = movingLog(0)
    log.startsBeforeReads = [3, 5]
    expect(await log.page({})).toEqual({ values: [5, 6, 7, 8, 9], next: undefined, missed: undefined })
    const again = movingLog(0)
    again.startsBeforeReads = [3, 5]
    expect(await again.page({ from: '1' })).toMatchObject({ values: [5, 6, 7, 8, 9], missed: { from: 1, to: 5 } })
  })

  test('a page that is overtaken in the middle ends there, and the next one says what is gone', async () => {
    const log = movingLog(0)
    log.startsBeforeReads = [0, 0, 7]
    const first = await log.page({ from: '0' })
    expect(first).toEqual({ values: [0, 1], next: 2, missed: undefined })
    expect(await log.page({ from: `${first.next}` })).toMatchObject({ values: [7, 8, 9], missed: { from: 2, to: 7 } })
  })
})

/** Ten messages, one a batch and each read alone, of a log whose start moves before a read. */
function movingLog(start: number) {
  const batches = Array.from({ length: 10 }, (_, offset) => {
    const batch = batchOf('a', [`${offset}`])
    stampLeader(batch, offset as Offset, 1 as Epoch, 1)
    return batch
  })
  let logStartOffset = start
  const log = {
    /** Where the log begins from the first, second, ... read on. */
    startsBeforeReads: [] as number[],
    async page(query: Record<string, string>) {
      const route = messagesRoute(broker as unknown as Broker, new HeldBytes(2 ** 20))
      const request = { url: '/messages', query: { topic: 'a', ...query }, raw: {} } as unknown as FastifyRequest
      const { message_list, next, missed } = (await route.handle(request, {} as FastifyReply)) as MessagePage
      return { values: message_list.map(({ value }) => Number(value)), next, missed }
    },
  }
  const broker = {
    get logStartOffset() {
      return logStartOffset
    },
    highWatermark: 10,
    nowMs: () => 1,
    listing: { isDead: () => false },
    async read({ from }: { from: number }) {
      logStartOffset = log.startsBeforeReads.shift() ?? logStartOffset
      if (from < logStartOffset || from > 10) throw new GomqError('OFFSET_OUT_OF_RANGE', `offset ${from}`)
      return { batches: batches.slice(from, from + 1), nextOffset: Math.min(10, from + 1) }
    },
  }
  return log
}
