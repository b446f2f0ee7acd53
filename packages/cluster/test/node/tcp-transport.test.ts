import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Epoch, encodeUtf8, type Offset } from '@gomq/protocol'
import { afterEach, describe, expect, test } from 'vitest'
import type { ReplicaMessage } from '../../src/messages.js'
import { TcpTransport, type TcpTransportOptions } from '../../src/node/tcp-transport.js'
import type { Link, LinkFailure } from '../../src/transport.js'
import { sealedBatch } from '../support/sealed-batch.js'

const open: TcpTransport[] = []

afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close()
})

/** One end of a link, with what has come. */
class End {
  readonly messages: ReplicaMessage[] = []
  readonly link: Link
  isClosed = false
  drains = 0

  constructor(link: Link) {
    this.link = link
  }
  handleMessage(message: ReplicaMessage): void {
    this.messages.push(message)
  }
  handleDrained(): void {
    this.drains++
  }
  handleClosed(): void {
    this.isClosed = true
  }
}

function transport(options: Partial<TcpTransportOptions> = {}) {
  const made = new TcpTransport({
    listen: { host: '127.0.0.1', port: 0 },
    secret: 's',
    cluster: 'c',
    handshakeTimeoutMs: 500,
    ...options,
  })
  open.push(made)
  return made
}

async function listening(options: Partial<TcpTransportOptions> = {}) {
  const ends: End[] = []
  const refused: string[] = []
  const made = transport({ onRefused: (_, reason) => void refused.push(reason), ...options })
  await made.listen((link) => {
    const end = new End(link)
    ends.push(end)
    return end
  })
  return { ends, refused, transport: made, address: `127.0.0.1:${made.port}` }
}

function reach(from: TcpTransport, address: string): Promise<End | LinkFailure> {
  return new Promise((resolve) => {
    from.open(
      address,
      (link) => {
        const end = new End(link)
        resolve(end)
        return end
      },
      resolve,
    )
  })
}

describe('links between brokers', () => {
  test('carry messages both ways, in order, large ones too', async () => {
    const server = await listening()
    const mine = (await reach(transport(), server.address)) as End
    await expect.poll(() => server.ends.length).toBe(1)
    const batches = [sealedBatch(0, 1, 'x'.repeat(3 << 20)), sealedBatch(1)]
    mine.link.send({ kind: 'hello', clusterUuid: 'u', id: 'a', storeId: 's', epoch: 1 as Epoch })
    for (let i = 0; i < 100; i++) mine.link.send({ kind: 'append', highWatermark: i as Offset, batches: [] })
    mine.link.send({ kind: 'append', highWatermark: 100 as Offset, batches })
    await expect.poll(() => server.ends[0]!.messages.length).toBe(102)
    const last = server.ends[0]!.messages[101] as ReplicaMessage & { kind: 'append' }
    expect(last.batches.map((batch, i) => Buffer.compare(batch, batches[i]!))).toEqual([0, 0])
    expect(server.ends[0]!.messages.slice(1, 101)).toEqual(
      Array.from({ length: 100 }, (_, i) => ({ kind: 'append', highWatermark: i, batches: [] })),
    )
    server.ends[0]!.link.send({ kind: 'synced', offset: 2 as Offset })
    await expect.poll(() => mine.messages).toEqual([{ kind: 'synced', offset: 2 }])
  })

  test('pass on in one go what they were given in one turn, and it can be waited for', async () => {
    const server = await listening()
    const from = transport()
    const mine = (await reach(from, server.address)) as End
    // As a log that is read from memory answers.
    const sent = Promise.resolve().then(() => {
      for (let i = 0; i < 3; i++)
        mine.link.send({ kind: 'append', highWatermark: i as Offset, batches: [sealedBatch(i)] })
    })
    const flushed = from.flushed()
    await sent
    expect(mine.link.pendingBytes).toBeGreaterThan(0)
    await flushed
    expect(mine.link.pendingBytes).toBe(0)
  })

  test('what does not fit into the socket waits, and the sender hears when it has left', async () => {
    const server = await listening()
    const mine = (await reach(transport(), server.address)) as End
    const batches = [sealedBatch(0, 1, 'x'.repeat(8 << 20))]
    for (let i = 0; i < 4; i++) mine.link.send({ kind: 'append', highWatermark: 0 as Offset, batches })
    expect(mine.link.pendingBytes).toBeGreaterThan(0)
    await expect.poll(() => mine.drains, { timeout: 10_000 }).toBeGreaterThan(0)
    expect(mine.link.pendingBytes).toBe(0)
  })

  test('the end of one end is the end of the other', async () => {
    const server = await listening()
    const mine = (await reach(transport(), server.address)) as End
    await expect.poll(() => server.ends.length).toBe(1)
    mine.link.close()
    expect(mine.isClosed).toBe(true)
    await expect.poll(() => server.ends[0]!.isClosed).toBe(true)
    mine.link.send({ kind: 'handover' })
  })

  test('a host on which nobody listens says so; one that does not answer proves nothing', async () => {
    const gone = await listening()
    await gone.transport.close()
    expect(await reach(transport(), gone.address)).toBe('refused')
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const asked = reach(transport(), `127.0.0.1:${port}`)
    await sleep(50)
    silent.close()
    expect(await asked).toBe('failed')
  }, 10_000)

  test.each([
    ['secret', { secret: 'another' }],
    ['cluster', { cluster: 'another' }],
  ])('a broker with another %s gets no link, and is named', async (_, options) => {
    const server = await listening()
    expect(await reach(transport(options), server.address)).toBe('failed')
    expect(server.ends).toEqual([])
    expect(server.refused.join()).toMatch(/--cluster-secret/)
  })

  test('strangers get no link: random bytes, a forged append, silence, a flood', async () => {
    const server = await listening()
    const port = server.transport.port
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n'.repeat(10),
      '\x06\0\0\0\x02\0\0\0\x92\x08\x05',
      'GMQR\x01'.padEnd(2 << 20, 'x'),
    ]) {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => undefined).resume()
      socket.write(encodeUtf8(bytes))
      await new Promise((resolve) => socket.once('close', resolve))
    }
    const silent = connect(port, '127.0.0.1').resume()
    await new Promise((resolve) => silent.once('close', resolve))
    expect(server.ends).toEqual([])
    expect(server.refused.length).toBe(4)
  }, 20_000)

  test('a frame that is no message ends the link and nothing else', async () => {
    const server = await listening()
    const mine = (await reach(transport(), server.address)) as End
    const other = (await reach(transport(), server.address)) as End
    await expect.poll(() => server.ends.length).toBe(2)
    mine.link.send({ kind: 'append', highWatermark: 0 as Offset, batches: [new Uint8Array(200)] })
    await expect.poll(() => mine.isClosed).toBe(true)
    expect(server.refused.join()).toMatch(/cannot be read/)
    other.link.send({ kind: 'handover' })
    await expect.poll(() => server.ends[1]!.messages.length).toBe(1)
  })
})
