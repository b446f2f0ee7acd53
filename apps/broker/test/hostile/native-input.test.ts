import { readdirSync } from 'node:fs'
import { encodeFrame, encodeMsgpack, PacketType } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { BrokerProcess } from '../../src/node/broker-process.js'
import { producerOfKey } from '../../src/node/http/idempotency-key.js'
import { startBroker, temporaryDirectory } from '../harness/broker-process.js'
import { call } from '../harness/http-client.js'
import { batchOf, connectPacket, publishPacket, subscribePacket } from '../harness/packets.js'
import { TcpClient } from '../harness/tcp-client.js'

/** Publishes QoS 1 without a pause, and tells at the end whether every message was acknowledged. */
class Bystander {
  #acked = 0
  #isStopped = false
  #done: Promise<void>

  private constructor(client: TcpClient) {
    this.#done = this.#run(client)
  }

  static async start(broker: BrokerProcess): Promise<Bystander> {
    return new Bystander(await TcpClient.connect(broker.tcp.port))
  }

  async #run(client: TcpClient): Promise<void> {
    for (let requestId = 1; !this.#isStopped; requestId++) {
      client.send(publishPacket(requestId, batchOf('bystander', [`message ${requestId}`])))
      expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(requestId)
      this.#acked++
    }
    client.close()
  }

  /** Proves that messages still flow after what was done to the broker. */
  async expectAlive(): Promise<void> {
    const before = this.#acked
    while (this.#acked < before + 3) await Promise.race([new Promise((resolve) => setTimeout(resolve, 1)), this.#done])
    this.#isStopped = true
    await this.#done
  }
}

function frameOf(body: Uint8Array): Uint8Array {
  const frame = new Uint8Array(4 + body.byteLength)
  new DataView(frame.buffer).setUint32(0, body.byteLength, true)
  frame.set(body, 4)
  return frame
}

async function expectRefused(broker: BrokerProcess, bytes: Uint8Array, code: string, connected = false): Promise<void> {
  const client = connected ? await TcpClient.connect(broker.tcp.port) : await TcpClient.open(broker.tcp.port)
  client.sendBytes(bytes)
  expect((await client.queue.take(PacketType.DISCONNECT)).code).toBe(code)
  await client.queue.closed()
}

describe('hostile input over TCP closes its own connection only', () => {
  test('random bytes', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 2_000 }), fc.boolean(), async (bytes, connected) => {
        const client = connected ? await TcpClient.connect(broker.tcp.port) : await TcpClient.open(broker.tcp.port)
        client.socket.end(bytes)
        await client.queue.closed()
      }),
      { numRuns: process.env['GOMQ_LONG'] === undefined ? 150 : 20_000, seed: 1 },
    )
    await bystander.expectAlive()
  })

  test('mutated packets of every kind, in random pieces', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    const random = new SeededRandom(7)
    const below = (max: number): number => Math.floor(random.next() * max)
    const good = [
      encodeFrame(connectPacket()),
      encodeFrame(publishPacket(5, batchOf('a', ['x', 'y']))),
      encodeFrame(subscribePacket()),
      encodeFrame({ type: PacketType.ACK, requestId: 3, subscriptionId: 1, ranges: [0, 5, 7, 9] }),
      encodeFrame({ type: PacketType.CREDIT, subscriptionId: 1, messages: 5, bytes: 10_000 }),
      encodeFrame({ type: PacketType.UNSUBSCRIBE, requestId: 4, subscriptionId: 1, forget: true }),
      encodeFrame({ type: PacketType.PINGREQ, requestId: 9 }),
    ]
    const rounds = process.env['GOMQ_LONG'] === undefined ? 100 : 20_000
    for (let round = 0; round < rounds; round++) {
      const client = await TcpClient.open(broker.tcp.port)
      for (let i = 0; i < 6 && !client.queue.isClosed; i++) {
        const frame = (i === 0 && below(4) > 0 ? good[0]! : good[below(good.length)]!).slice()
        if (i > 0 || below(3) === 0) for (let n = below(3); n >= 0; n--) frame[below(frame.byteLength)] = below(256)
        const cut = below(frame.byteLength)
        client.sendBytes(frame.subarray(0, cut))
        client.sendBytes(frame.subarray(cut))
      }
      client.socket.end()
      await client.queue.closed()
    }
    await bystander.expectAlive()
  })

  test('a frame that announces too much is refused at its length, before anything is kept of it', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    await expectRefused(broker, Uint8Array.of(0xff, 0xff, 0xff, 0xff), 'FRAME_TOO_LARGE')
    await expectRefused(broker, Uint8Array.of(0xff, 0xff, 0xff, 0x7f), 'FRAME_TOO_LARGE', true)
    await expectRefused(broker, Uint8Array.of(0x01, 0x00, 0x01, 0x00), 'FRAME_TOO_LARGE')
    const before = process.memoryUsage().rss
    const clients = await Promise.all(Array.from({ length: 200 }, () => TcpClient.open(broker.tcp.port)))
    for (const client of clients) client.sendBytes(Uint8Array.of(0x00, 0xff, 0x00, 0x00, 0x95))
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(process.memoryUsage().rss - before).toBeLessThan(64 * 1024 * 1024)
    for (const client of clients) client.close()
    await bystander.expectAlive()
  })

  test('msgpack bombs', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    const deep = new Uint8Array(60_000).fill(0x91)
    const lying = Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)
    const record = Uint8Array.of(0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61)
    const proto = encodeMsgpack([1, { ['__proto__']: { polluted: true } }])
    for (const bomb of [deep, lying, record, proto, Uint8Array.of(0xc1), new Uint8Array(0)]) {
      await expectRefused(broker, frameOf(bomb), 'MALFORMED_FRAME')
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
    await bystander.expectAlive()
  })

  test('versions that are not spoken, a packet before CONNECT, a second CONNECT', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    await expectRefused(broker, encodeFrame(connectPacket({ versionMin: 200, versionMax: 210 })), 'UNSUPPORTED_VERSION')
    await expectRefused(broker, encodeFrame({ type: PacketType.PINGREQ, requestId: 1 }), 'PROTOCOL_ERROR')
    await expectRefused(broker, encodeFrame(connectPacket()), 'PROTOCOL_ERROR', true)
    await bystander.expectAlive()
  })

  test('one byte at a time is slow and nothing else', async () => {
    const broker = await startBroker()
    const bystander = await Bystander.start(broker)
    const client = await TcpClient.open(broker.tcp.port)
    for (const byte of encodeFrame(connectPacket())) client.sendBytes(Uint8Array.of(byte))
    await client.queue.take(PacketType.CONNACK)
    for (const byte of encodeFrame(publishPacket(77, batchOf('slow', ['drip'])))) {
      client.sendBytes(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(77)
    client.close()
    await bystander.expectAlive()
  })

  test('topics that are no topic names are refused, the connection lives, and no file has their name', async () => {
    const directory = await temporaryDirectory()
    const broker = await startBroker([], directory)
    const bystander = await Bystander.start(broker)
    const client = await TcpClient.connect(broker.tcp.port)
    let requestId = 10
    for (const topic of ['a\0b', '#', 'a/#', '+/b', 'x/'.repeat(300)]) {
      client.send(publishPacket(++requestId, batchOf(topic, ['x'])))
      expect(await client.queue.take(PacketType.ERROR)).toMatchObject({ requestId, code: 'INVALID_TOPIC' })
    }
    client.send(publishPacket(++requestId, batchOf('$SYS/x', ['x'])))
    expect(await client.queue.take(PacketType.ERROR)).toMatchObject({ requestId, code: 'NOT_AUTHORIZED' })
    const names = readdirSync(directory, { recursive: true })
    for (const topic of ['../../escape', '..\\escape', 'CON', '\u202etxt.exe', '.', '/', '%2e%2e%2f']) {
      client.send(publishPacket(++requestId, batchOf(topic, ['x'])))
      expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(requestId)
    }
    expect(readdirSync(directory, { recursive: true })).toEqual(names)
    client.close()
    await bystander.expectAlive()
  })

  test('a damaged batch is refused, and the connection lives', async () => {
    const broker = await startBroker()
    const client = await TcpClient.connect(broker.tcp.port)
    const damaged = batchOf('a', ['hello'])
    damaged[damaged.byteLength - 3]! ^= 1
    client.send(publishPacket(21, damaged), publishPacket(22, batchOf('a', ['hello'])))
    expect(await client.queue.take(PacketType.ERROR)).toMatchObject({ requestId: 21, code: 'MALFORMED_BATCH' })
    expect((await client.queue.take(PacketType.PUBACK)).requestId).toBe(22)
    client.close()
  })

  test('a message over the limit is refused with the numbers, and the connection lives', async () => {
    const broker = await startBroker(['--message-bytes-max', '100KiB'])
    const client = await TcpClient.connect(broker.tcp.port)
    client.send(publishPacket(31, batchOf('a', ['x'.repeat(200 * 1024)])))
    const error = await client.queue.take(PacketType.ERROR)
    expect(error).toMatchObject({ requestId: 31, code: 'MESSAGE_TOO_LARGE' })
    expect(error.message).toContain('102400')
    client.send({ type: PacketType.PINGREQ, requestId: 32 })
    await client.queue.take(PacketType.PINGRESP)
    client.close()
  })

  test('who publishes as the producer of an idempotency key closes HTTP for nobody, and is closed by none', async () => {
    const broker = await startBroker()
    const withKey = (key: string) =>
      call(broker, 'POST', '/pub', JSON.stringify({ topic: 'a', body: key }), { 'idempotency-key': key })
    const native = async (key: string, firstSequence: number) => {
      const client = await TcpClient.connect(broker.tcp.port)
      onTestFinished(() => client.close())
      client.send(publishPacket(1, batchOf('a', ['hello'], { producerId: producerOfKey(key), firstSequence })))
      await client.queue.take(PacketType.PUBACK)
      return client
    }
    expect((await withKey('before')).status).toBe(200)
    await native('before', 1)
    const client = await native('after', 0)
    expect(await withKey('after')).toMatchObject({ status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } })
    expect([(await withKey('before')).status, (await withKey('other')).status]).toEqual([200, 200])
    client.send({ type: PacketType.PINGREQ, requestId: 2 })
    await client.queue.take(PacketType.PINGRESP)
  })

  test('connections over the limit are told so', async () => {
    const broker = await startBroker(['--connections-max', '3'])
    const clients = await Promise.all([1, 2, 3].map(() => TcpClient.connect(broker.tcp.port)))
    const one = await TcpClient.open(broker.tcp.port)
    expect((await one.queue.take(PacketType.DISCONNECT)).code).toBe('LIMIT_EXCEEDED')
    clients[0]!.close()
    await new Promise((resolve) => setTimeout(resolve, 50))
    const next = await TcpClient.connect(broker.tcp.port)
    onTestFinished(() => next.close())
    for (const client of clients) client.close()
  })
})
