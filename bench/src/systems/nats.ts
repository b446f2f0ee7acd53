import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AckPolicy, DeliverPolicy, type JsMsg, jetstream, jetstreamManager, StorageType } from '@nats-io/jetstream'
import { connect, createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
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
import { publishInWindow } from './window.js'

const STREAM = 'bench'
/** Publishes under way, messages that a consumer asks for at once, and those that one acknowledgement is for. */
const WINDOW = 1000
const PULL_MAX = 2000
const ACK_EVERY = 200
const ACK_PENDING_MAX = 20_000
/** Core messages between two round trips, which are the only backpressure there is. */
const FLUSH_EVERY = 1000

const COMMAND: string = process.env['GOMQ_BENCH_NATS_SERVER'] ?? 'nats-server'
/** The first version that can sync before it acknowledges. */
const SYNC_ALWAYS_SINCE = [2, 10] as const

/** NATS JetStream that syncs before it acknowledges. */
export const natsAlways: System = {
  ...nats('nats-always', 'always', 'fsync before ack'),
  missing: (mayInstall) => missingProgram(COMMAND, 'nats-server', mayInstall) ?? tooOld(),
}

/** NATS JetStream as it comes. */
export const natsDefault: System = nats('nats-default', undefined, 'none: fsync every 2 min')

function nats(name: string, syncInterval: string | undefined, durability: string): System {
  return {
    name,
    role: 'peer',
    durability,
    setup: `file storage, one stream over all topics, sync_interval ${syncInterval ?? 'left at its default'}; 1,000 publishes under way, their answers to one inbox; pull consumers, 2,000 messages at once, an acknowledgement for all before it every 200; core NATS for QoS 0`,
    missing: (mayInstall) => missingProgram(COMMAND, 'nats-server', mayInstall),
    version,
    start: (workDirectory) =>
      ServerProcess.startOnPort(workDirectory, (directory, port) => {
        const file = join(directory, 'nats.conf')
        const sync = syncInterval === undefined ? '' : `, sync_interval: ${syncInterval}`
        const lines = [
          'host: 127.0.0.1',
          `port: ${port}`,
          'max_payload: 8MB',
          `jetstream { store_dir: "${directory}"${sync} }`,
        ]
        writeFileSync(file, `${lines.join('\n')}\n`)
        return { command: COMMAND, args: ['-c', file] }
      }),
    prepare,
    connect: (address, options) => NatsClient.open(address, options),
  }
}

async function prepare(address: string, { subscribers, filter }: Subscriptions): Promise<void> {
  const connection = await connect({ servers: address })
  const manager = await jetstreamManager(connection)
  const isThere = await manager.streams.info(STREAM).then(
    () => true,
    () => false,
  )
  if (!isThere) await manager.streams.add({ name: STREAM, subjects: ['bench.>'], storage: StorageType.File })
  for (const name of subscribers)
    await manager.consumers.add(STREAM, {
      durable_name: name,
      ack_policy: AckPolicy.All,
      deliver_policy: DeliverPolicy.New,
      max_ack_pending: ACK_PENDING_MAX,
      filter_subject: subjectOf(filter).replace('#', '>'),
    })
  await connection.close()
}

class NatsClient implements Client {
  readonly #connection: NatsConnection
  readonly #messageBytes: number
  #unacked: JsMsg | undefined
  /** Where the stream answers, and who waits, in order. */
  #inbox: string | undefined
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = []

  private constructor(connection: NatsConnection, messageBytes: number) {
    this.#connection = connection
    this.#messageBytes = messageBytes
  }

  static async open(address: string, { messageBytes }: ConnectOptions): Promise<NatsClient> {
    return new NatsClient(await connect({ servers: address, reconnect: false }), messageBytes)
  }

  async publishAll(job: PublishJob): Promise<void> {
    if (job.qos === 0) return this.#publishCore(job)
    const window = windowFor(WINDOW, this.#messageBytes)
    await publishInWindow(job, window, (topic, value) => this.#publish(topic, value))
  }

  publish(value: Uint8Array): Promise<void> {
    return this.#publish(TOPIC, value)
  }

  async consume(job: ConsumeJob): Promise<void> {
    if (job.qos === 0) {
      this.#connection.subscribe(subjectOf(TOPIC), {
        callback: (error, message) => {
          if (error !== null) throw error
          job.onMessage(message.data)
        },
      })
      return this.#connection.flush()
    }
    const consumer = await jetstream(this.#connection).consumers.get(STREAM, job.subscriber)
    let count = 0
    await consumer.consume({
      max_messages: windowFor(PULL_MAX, this.#messageBytes),
      callback: (message) => {
        job.onMessage(message.data)
        this.#unacked = message
        if (++count % ACK_EVERY === 0) this.#ack()
      },
    })
  }

  async close(): Promise<void> {
    this.#ack()
    await this.#connection.flush()
    await this.#connection.close()
  }

  /** A stream answers a connection in the order of its messages: one inbox for all costs the client a tenth of `publish` of its JetStream client. */
  #publish(topic: string, value: Uint8Array): Promise<void> {
    if (this.#inbox === undefined) {
      this.#inbox = createInbox()
      this.#connection.subscribe(this.#inbox, { callback: (error, answer) => this.#handleAnswer(error, answer) })
    }
    this.#connection.publish(subjectOf(topic), value, { reply: this.#inbox })
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  #handleAnswer(error: Error | null, answer: Msg): void {
    const waiting = this.#waiting.shift()!
    const text = error === null ? answer.string() : ''
    // `{"stream":"bench","seq":1}`, or an error; nothing where no stream takes the subject.
    if (text.includes('"seq"')) waiting.resolve()
    else waiting.reject(error ?? new Error(`the stream refused a message: ${text}`))
  }

  #ack(): void {
    this.#unacked?.ack()
    this.#unacked = undefined
  }

  async #publishCore(job: PublishJob): Promise<void> {
    for (let i = 0; i < job.count; i++) {
      this.#connection.publish(subjectOf(job.topicAt(i)), job.valueAt(i))
      job.onAcked(1)
      if (i % FLUSH_EVERY === 0) await this.#connection.flush()
    }
    await this.#connection.flush()
  }
}

const subjects = new Map<string, string>()

function subjectOf(topic: string): string {
  let subject = subjects.get(topic)
  if (subject === undefined) subjects.set(topic, (subject = topic.replaceAll('/', '.')))
  return subject
}

function version(): string {
  return execFileSync(COMMAND, ['--version'], { encoding: 'utf8' }).trim()
}

function tooOld(): string | undefined {
  const [major = 0, minor = 0] = (/v(\d+)\.(\d+)/.exec(version()) ?? []).slice(1).map(Number)
  const isEnough = major > SYNC_ALWAYS_SINCE[0] || (major === SYNC_ALWAYS_SINCE[0] && minor >= SYNC_ALWAYS_SINCE[1])
  if (isEnough) return undefined
  return `${version()} has no 'sync_interval: always'; 2.10 has: say where it is with GOMQ_BENCH_NATS_SERVER`
}
