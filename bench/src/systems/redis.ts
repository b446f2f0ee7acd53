import { execFileSync } from 'node:child_process'
import { createClient, RESP_TYPES } from 'redis'
import { missingProgram } from '../servers/debian-package.js'
import { ServerProcess } from '../servers/server-process.js'
import {
  type Client,
  type ConnectOptions,
  type ConsumeJob,
  type PublishJob,
  type Subscriptions,
  type System,
  TOPIC,
  windowFor,
} from './system.js'

/** Entries of one read. */
const READ_MAX = 1000
/** Commands of one pipeline, and pipelines under way: a promise for each command costs the client three times as much. */
const PIPELINE = 250
const PIPELINES = 4

/** An entry of a stream as it comes: its id, then fields and values in turn. */
type Entry = readonly [id: Buffer, fields: readonly Buffer[]]
type ReadReply = readonly (readonly [key: Buffer, entries: readonly Entry[]])[] | null

/** Redis Streams; an answer leaves after the append-only file has been synced, once for all commands of a turn. */
export const redisAlways: System = redis('redis-always', 'always', 'fsync before ack')
/** Redis Streams as it comes with an append-only file. */
export const redisEverysec: System = redis('redis-everysec', 'everysec', 'none: fsync every second')

function redis(name: string, appendfsync: string, durability: string): System {
  return {
    name,
    role: 'peer',
    durability,
    setup: `append-only file, appendfsync ${appendfsync}; node-redis, 4 pipelines of 250 commands under way; a group for each subscriber, reads of up to 1,000 entries, one XACK for each read; publish and subscribe for QoS 0; a stream for each topic`,
    missing: (mayInstall) => missingProgram('redis-server', 'redis-server', mayInstall),
    version: () => execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).split(' sha')[0]!,
    start: (workDirectory) =>
      ServerProcess.startOnPort(workDirectory, (directory, port) => {
        const args = [
          ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--daemonize', 'no', '--save', ''],
          ...['--appendonly', 'yes', '--appendfsync', appendfsync],
          // Who is slow to read is not sent away.
          ...['--client-output-buffer-limit', 'pubsub 0 0 0'],
        ]
        return { command: 'redis-server', args }
      }),
    prepare,
    connect: (address, options) => RedisConnection.open(address, options),
  }
}

async function prepare(address: string, { subscribers, filter }: Subscriptions): Promise<void> {
  // A group is of one stream, and a stream of one topic: nothing subscribes to all.
  if (filter !== TOPIC) return
  const client = await open(address)
  for (const group of subscribers) await client.sendCommand(['XGROUP', 'CREATE', TOPIC, group, '$', 'MKSTREAM'])
  client.destroy()
}

/** With replies in bytes, as they come. */
function open(address: string) {
  const client = createClient({ url: `redis://${address}`, RESP: 2 }).withTypeMapping({
    [RESP_TYPES.BLOB_STRING]: Buffer,
  })
  client.on('error', (error) => {
    throw error
  })
  return client.connect()
}

function commandOf(qos: 0 | 1, topic: string, value: Uint8Array): (string | Buffer)[] {
  return qos === 1 ? ['XADD', topic, '*', 'v', value as Buffer] : ['PUBLISH', topic, value as Buffer]
}

class RedisConnection implements Client {
  readonly #client: Awaited<ReturnType<typeof open>>
  readonly #messageBytes: number
  #lastAck: Promise<unknown> | undefined
  #isClosing = false

  private constructor(client: Awaited<ReturnType<typeof open>>, messageBytes: number) {
    this.#client = client
    this.#messageBytes = messageBytes
  }

  static async open(address: string, { messageBytes }: ConnectOptions): Promise<RedisConnection> {
    return new RedisConnection(await open(address), messageBytes)
  }

  async publishAll(job: PublishJob): Promise<void> {
    const size = Math.ceil(windowFor(PIPELINE * PIPELINES, this.#messageBytes) / PIPELINES)
    let sent = 0
    const publish = async () => {
      while (sent < job.count) {
        const count = Math.min(size, job.count - sent)
        const pipeline = this.#client.multi()
        for (const end = sent + count; sent < end; sent++)
          pipeline.addCommand(commandOf(job.qos, job.topicAt(sent), job.valueAt(sent)))
        await pipeline.execAsPipeline()
        job.onAcked(count)
      }
    }
    await Promise.all(Array.from({ length: PIPELINES }, publish))
  }

  async publish(value: Uint8Array): Promise<void> {
    await this.#client.sendCommand(commandOf(1, TOPIC, value))
  }

  async consume(job: ConsumeJob): Promise<void> {
    if (job.qos === 0) return this.#client.subscribe(TOPIC, (value) => job.onMessage(value), true)
    // A failure ends the worker, as a rejection that nobody handles does.
    void this.#readAll(job)
  }

  async close(): Promise<void> {
    await this.#lastAck
    this.#isClosing = true
    this.#client.destroy()
  }

  async #readAll({ subscriber, onMessage }: ConsumeJob): Promise<void> {
    const count = `${windowFor(READ_MAX, this.#messageBytes)}`
    const read = ['XREADGROUP', 'GROUP', subscriber, 'bench', 'COUNT', count, 'BLOCK', '0', 'STREAMS', TOPIC, '>']
    for (;;) {
      const reply = (await this.#client.sendCommand(read).catch((error: unknown) => {
        if (!this.#isClosing) throw error
      })) as ReadReply | undefined
      if (reply === undefined || reply === null) return
      const entries = reply[0]![1]
      for (const [, fields] of entries) onMessage(fields[1]!)
      // Goes out ahead of the next read and is answered before it.
      this.#lastAck = this.#client.sendCommand(['XACK', TOPIC, subscriber, ...entries.map(([id]) => id)])
    }
  }
}
