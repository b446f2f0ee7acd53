import { fileURLToPath } from 'node:url'
import { connect, type GomqClient, type ConnectOptions as GomqOptions, type OutgoingMessage } from '@gomq/client'
import { PROFILE_ARGS } from '../profile/server-profile.js'
import { ServerProcess } from '../servers/server-process.js'
import { type Client, type ConnectOptions, type ConsumeJob, type PublishJob, type System, TOPIC } from './system.js'

/** Messages of one `publishAll`, and how many of these go on at a time. */
const PORTION = 20_000
const PORTIONS_UNDER_WAY = 8
/** The machine may be slow: nothing is given up. */
const PATIENT: GomqOptions = { connectTimeoutMs: 60_000, requestTimeoutMs: 600_000, publishTimeoutMs: 600_000 }

/** The program of the built broker. */
export const BROKER_MAIN: string = fileURLToPath(new URL('../bin/gomq.js', import.meta.resolve('@gomq/broker')))

/** The same in its own files, whose names a profile shows. */
const BROKER_UNBUNDLED = fileURLToPath(new URL('./node/main.js', import.meta.resolve('@gomq/broker')))

/** GoMQ with its defaults. */
export const gomq: System = {
  name: 'gomq',
  role: 'gomq',
  isNode: true,
  durability: 'fdatasync before ack',
  setup: 'defaults; `publishAll`; read and acknowledged in groups',
  missing: () => undefined,
  version: () => 'GoMQ of this commit',
  start: (workDirectory, isProfiled = false) =>
    ServerProcess.start(workDirectory, (directory) => ({
      command: process.execPath,
      isProfiled,
      args: [...brokerArgs(isProfiled), '--data-dir', directory, '--tcp', '127.0.0.1:0', '--http', 'off'],
      env: { GOMQ_LOG_LEVEL: 'warn' },
      ready: / ready .*tcp=(\S+)/,
    })),
  prepare: prepareGomq,
  connect: connectGomq,
}

/** Arguments of Node for a broker, up to its own. */
export function brokerArgs(isProfiled: boolean): readonly string[] {
  return [...nodeArgs(isProfiled), isProfiled ? BROKER_UNBUNDLED : BROKER_MAIN]
}

/** Flags of Node for servers of ours: what the environment says, and what profiles them. */
export function nodeArgs(isProfiled = false): readonly string[] {
  return [...(process.env['GOMQ_BENCH_NODE_ARGS']?.split(' ') ?? []), ...(isProfiled ? PROFILE_ARGS : [])]
}

/** Lets each subscriber come and go. @param address  host:port, of several brokers with commas */
export async function prepareGomq(
  address: string,
  { subscribers, filter }: Parameters<System['prepare']>[1],
): Promise<void> {
  for (const clientId of subscribers) {
    const mq = await connect(urlsOf(address), { ...PATIENT, clientId })
    await mq.subscribe(filter, { name: 'bench', from: 'new' })
    await mq.close()
  }
}

/** A connection to GoMQ. */
export async function connectGomq(address: string, { clientId, compression }: ConnectOptions): Promise<Client> {
  const mq = await connect(urlsOf(address), { ...PATIENT, clientId, compression: compression ?? 'none' })
  return {
    publishAll: (job) => publishAll(mq, job),
    publish: async (value) => void (await mq.publish(TOPIC, value, { qos: 1 })),
    consume: (job) => consume(mq, job),
    close: () => mq.close(),
  }
}

/** Many messages go with one promise for all of them, as the client's guide has it; a portion at a time, so that progress is seen. */
async function publishAll(mq: GomqClient, job: PublishJob): Promise<void> {
  const { qos } = job
  const underWay: Promise<void>[] = []
  for (let from = 0; from < job.count; from += PORTION) {
    const to = Math.min(job.count, from + PORTION)
    const portion = job.isOneTopic
      ? mq.publishAll(job.topicAt(from), valuesOf(job, from, to), { qos })
      : mq.publishAll(messagesOf(job, from, to))
    underWay.push(portion.then(() => job.onAcked(to - from)))
    if (underWay.length === PORTIONS_UNDER_WAY) await underWay.shift()
  }
  await Promise.all(underWay)
}

function* valuesOf(job: PublishJob, from: number, to: number): Generator<Uint8Array> {
  for (let i = from; i < to; i++) yield job.valueAt(i)
}

function* messagesOf(job: PublishJob, from: number, to: number): Generator<OutgoingMessage> {
  const { qos } = job
  for (let i = from; i < to; i++) yield { topic: job.topicAt(i), value: job.valueAt(i), qos }
}

async function consume(mq: GomqClient, job: ConsumeJob): Promise<void> {
  const durable = { qos: 1, name: 'bench', ack: 'auto' } as const
  const subscription = await mq.subscribe(TOPIC, job.qos === 1 ? durable : { qos: 0 })
  const receive = async () => {
    for await (const group of subscription.groups()) for (const message of group) job.onMessage(message.bytes)
  }
  // A failure ends the worker, as a rejection that nobody handles does.
  void receive()
}

function urlsOf(address: string): string[] {
  return address.split(',').map((each) => `gomq://${each}`)
}
