import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Channel, type ChannelModel, type ConfirmChannel, type ConsumeMessage, connect } from 'amqplib'
import { missingProgram } from '../servers/debian-package.js'
import { freePort } from '../servers/free-port.js'
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

const EXCHANGE = 'bench'
/** Publishes without a confirm, messages without an acknowledgement, and those that one acknowledgement is for. */
const WINDOW = 1000
const PREFETCH = 1000
const ACK_EVERY = 200

/** The one in /usr/sbin becomes another user. */
const COMMAND = '/usr/lib/rabbitmq/bin/rabbitmq-server'

/** RabbitMQ with quorum queues of one node. */
export const rabbitmq: System = {
  name: 'rabbitmq',
  role: 'peer',
  durability: 'fsync before ack',
  setup:
    'a quorum queue for each subscriber, one node; publisher confirms, 1,000 unconfirmed; prefetch 1,000, an acknowledgement for all before it every 200; a classic queue without acknowledgements for QoS 0',
  missing: (mayInstall) => missingProgram(COMMAND, 'rabbitmq-server', mayInstall),
  version: () =>
    execFileSync('dpkg-query', ['--show', 'rabbitmq-server'], { encoding: 'utf8' }).trim().replace('\t', ' '),
  start: (workDirectory) =>
    ServerProcess.startOnPort(workDirectory, async (directory, port) => {
      const plugins = join(directory, 'enabled_plugins')
      writeFileSync(plugins, '[].\n')
      writeFileSync(join(directory, 'rabbitmq.conf'), 'loopback_users = none\n')
      writeFileSync(join(directory, 'environment'), '')
      const env = {
        HOME: directory,
        // Its own: it ends with the group, and one that runs already is left alone.
        ERL_EPMD_PORT: `${await freePort()}`,
        ERL_EPMD_ADDRESS: '127.0.0.1',
        RABBITMQ_NODENAME: `bench${port}@localhost`,
        RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
        RABBITMQ_NODE_PORT: `${port}`,
        RABBITMQ_DIST_PORT: `${await freePort()}`,
        RABBITMQ_CONF_ENV_FILE: join(directory, 'environment'),
        RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq.conf'),
        RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
        RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
        RABBITMQ_LOG_BASE: join(directory, 'logs'),
      }
      return { command: 'sh', args: ['-c', `epmd & exec ${COMMAND}`], env }
    }),
  prepare,
  connect: (address, options) => RabbitClient.open(address, options),
}

async function prepare(address: string, { subscribers, filter }: Subscriptions): Promise<void> {
  const connection = await connect(`amqp://${address}`)
  const channel = await connection.createChannel()
  // The fastest that can route so.
  await channel.assertExchange(EXCHANGE, filter.endsWith('#') ? 'topic' : 'direct')
  for (const queue of subscribers) {
    await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'quorum' } })
    await channel.bindQueue(queue, EXCHANGE, keyOf(filter))
  }
  await connection.close()
}

class RabbitClient implements Client {
  readonly #connection: ChannelModel
  readonly #channel: Channel
  readonly #confirming: ConfirmChannel
  readonly #messageBytes: number
  #unacked: ConsumeMessage | undefined

  private constructor(connection: ChannelModel, channel: Channel, confirming: ConfirmChannel, messageBytes: number) {
    this.#connection = connection
    this.#channel = channel
    this.#confirming = confirming
    this.#messageBytes = messageBytes
  }

  static async open(address: string, { messageBytes }: ConnectOptions): Promise<RabbitClient> {
    const connection = await connect(`amqp://${address}`, { noDelay: true })
    const channel = await connection.createChannel()
    return new RabbitClient(connection, channel, await connection.createConfirmChannel(), messageBytes)
  }

  publishAll(job: PublishJob): Promise<void> {
    if (job.qos === 0) return this.#publishTransient(job)
    const window = windowFor(WINDOW, this.#messageBytes)
    return publishInWindow(job, window, (topic, value) => this.#confirmed(topic, value))
  }

  publish(value: Uint8Array): Promise<void> {
    return this.#confirmed(TOPIC, value)
  }

  async consume(job: ConsumeJob): Promise<void> {
    if (job.qos === 0) return this.#consumeTransient(job)
    await this.#channel.prefetch(windowFor(PREFETCH, this.#messageBytes))
    // With few large messages in flight none may wait for company.
    const ackEvery = Math.min(ACK_EVERY, Math.ceil(windowFor(PREFETCH, this.#messageBytes) / 4))
    let count = 0
    await this.#channel.consume(job.subscriber, (message) => {
      if (message === null) throw new Error('the queue is gone')
      job.onMessage(message.content)
      this.#unacked = message
      if (++count % ackEvery === 0) this.#ack()
    })
  }

  async close(): Promise<void> {
    this.#ack()
    await this.#channel.close()
    await this.#connection.close()
  }

  #confirmed(topic: string, value: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#confirming.publish(EXCHANGE, keyOf(topic), value as Buffer, { persistent: true }, (error) =>
        error === null || error === undefined ? resolve() : reject(error),
      ),
    )
  }

  async #publishTransient(job: PublishJob): Promise<void> {
    for (let i = 0; i < job.count; i++) {
      const hasRoom = this.#channel.publish(EXCHANGE, keyOf(job.topicAt(i)), job.valueAt(i) as Buffer)
      job.onAcked(1)
      if (!hasRoom) await new Promise((resolve) => this.#channel.once('drain', resolve))
    }
  }

  async #consumeTransient(job: ConsumeJob): Promise<void> {
    await this.#channel.assertExchange(EXCHANGE, 'direct')
    const { queue } = await this.#channel.assertQueue('', { exclusive: true, durable: false })
    await this.#channel.bindQueue(queue, EXCHANGE, keyOf(TOPIC))
    await this.#channel.consume(queue, (message) => job.onMessage(message!.content), { noAck: true })
  }

  #ack(): void {
    if (this.#unacked !== undefined) this.#channel.ack(this.#unacked, true)
    this.#unacked = undefined
  }
}

function keyOf(topic: string): string {
  return topic.replaceAll('/', '.')
}
