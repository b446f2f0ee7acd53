import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { ServerProcess } from '../servers/server-process.js'
import { nodeArgs } from './gomq.js'
import type { Client, ConsumeJob, PublishJob, System } from './system.js'

/** Messages and bytes of one blob at most, and blobs in flight: what a batching client reaches under load. */
const BLOB_MESSAGES = 1000
const BLOB_BYTES: number = 256 * 1024
const WINDOW_BLOBS = 16

/** The opaque relay: the least that a durable broker in Node must do. */
export const floor: System = {
  name: 'floor',
  role: 'floor',
  isNode: true,
  durability: 'fdatasync before ack',
  setup:
    'blobs of up to 1,000 messages, 16 in flight over all connections but one at least of each; the consumer cuts them and acknowledges nothing',
  cannot: { qos0: 'the relay stores everything', topics: 'the relay knows no topics' },
  missing: () => undefined,
  version: () => `Node ${process.version}`,
  start: (workDirectory, isProfiled = false) =>
    ServerProcess.start(workDirectory, (directory) => ({
      command: process.execPath,
      isProfiled,
      args: [...nodeArgs(isProfiled), fileURLToPath(new URL('../servers/relay.js', import.meta.url)), directory],
      ready: / ready .*tcp=(\S+)/,
    })),
  prepare: async () => undefined,
  connect: async (address, { messageBytes, connections }) =>
    new RelayClient(address, messageBytes, Math.max(1, Math.floor(WINDOW_BLOBS / connections))),
}

class RelayClient implements Client {
  readonly #socket: Socket
  readonly #messageBytes: number
  readonly #windowBlobs: number
  /** Of blobs under way, in order: how many messages each has, and who waits. */
  readonly #unacked: { readonly messages: number; readonly onAck: (messages: number) => void }[] = []
  #isProducer = false

  constructor(address: string, messageBytes: number, windowBlobs: number) {
    const [host, port] = address.split(':')
    this.#socket = connect(Number(port), host).setNoDelay(true)
    this.#messageBytes = messageBytes
    this.#windowBlobs = windowBlobs
  }

  async publishAll(job: PublishJob): Promise<void> {
    this.#becomeProducer()
    const blobMessages = Math.max(1, Math.min(BLOB_MESSAGES, Math.floor(BLOB_BYTES / this.#messageBytes)))
    let sent = 0
    let acked = 0
    await new Promise<void>((resolve) => {
      const send = () => {
        if (sent === job.count) return
        const messages = Math.min(blobMessages, job.count - sent)
        const from = sent
        sent += messages
        this.#send(messages, (i) => job.valueAt(from + i), onAck)
      }
      const onAck = (messages: number) => {
        acked += messages
        job.onAcked(messages)
        if (acked === job.count) resolve()
        else send()
      }
      for (let i = 0; i < this.#windowBlobs; i++) send()
    })
  }

  publish(value: Uint8Array): Promise<void> {
    this.#becomeProducer()
    return new Promise((resolve) =>
      this.#send(
        1,
        () => value,
        () => resolve(),
      ),
    )
  }

  async consume(job: ConsumeJob): Promise<void> {
    this.#socket.write(job.isStored ? 'C' : 'L')
    if (!job.isStored) {
      await once(this.#socket, 'readable')
      this.#socket.read(1)
    }
    const cutter = new BlobCutter(this.#messageBytes, (value) => job.onMessage(value))
    this.#socket.on('data', (chunk: Buffer) => cutter.push(chunk))
  }

  async close(): Promise<void> {
    this.#socket.destroy()
  }

  #becomeProducer(): void {
    if (this.#isProducer) return
    this.#isProducer = true
    this.#socket.write('P')
    let ackBytes = 0
    this.#socket.on('data', (chunk: Buffer) => {
      ackBytes += chunk.byteLength
      for (; ackBytes >= 4; ackBytes -= 4) {
        const { messages, onAck } = this.#unacked.shift()!
        onAck(messages)
      }
    })
  }

  #send(messages: number, valueAt: (i: number) => Uint8Array, onAck: (messages: number) => void): void {
    const blob = Buffer.allocUnsafe(4 + messages * this.#messageBytes)
    blob.writeUInt32LE(blob.byteLength - 4, 0)
    for (let i = 0; i < messages; i++) blob.set(valueAt(i), 4 + i * this.#messageBytes)
    this.#unacked.push({ messages, onAck })
    this.#socket.write(blob)
  }
}

/** Cuts what comes over a socket into blobs, and those into messages. */
class BlobCutter {
  readonly #messageBytes: number
  readonly #onMessage: (value: Uint8Array) => void
  #chunks: Buffer[] = []
  #bytes = 0
  /** Bytes without which there is nothing to cut. */
  #wanted = 4

  constructor(messageBytes: number, onMessage: (value: Uint8Array) => void) {
    this.#messageBytes = messageBytes
    this.#onMessage = onMessage
  }

  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#bytes += chunk.byteLength
    if (this.#bytes < this.#wanted) return
    const all = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
    let at = 0
    this.#wanted = 4
    while (all.byteLength - at >= 4) {
      const end = at + 4 + all.readUInt32LE(at)
      if (end > all.byteLength) {
        this.#wanted = end - at
        break
      }
      for (let i = at + 4; i < end; i += this.#messageBytes) this.#onMessage(all.subarray(i, i + this.#messageBytes))
      at = end
    }
    this.#chunks = at === all.byteLength ? [] : [all.subarray(at)]
    this.#bytes = all.byteLength - at
  }
}
