import { connect, type GomqClient } from '@gomq/client'

/** Clients that connect at once. */
const CLIENTS_AT_ONCE = 32
/** The machine may be slow: nothing is given up. */
export const PATIENT = { connectTimeoutMs: 60_000, requestTimeoutMs: 600_000, publishTimeoutMs: 600_000 } as const
/** Topics of the bulk of the log. */
const BULK_TOPICS = 16
/** Entries of the state that one client leaves behind: session, durable subscription, producer, retained message. */
const ENTRIES_PER_CLIENT = 4
/** Producers of retained messages at once. */
const PRODUCERS = 16
/** Publishes between two looks at the buffer. */
const PACE_EVERY = 64

/** What a client leaves behind. */
export type Leaving = 'durable' | 'producer' | 'everything'

/** Lets `clients` clients come and go, each leaving entries of state behind. */
export async function fillClients(
  address: string,
  clients: number,
  leaving: Leaving,
  onProgress: (share: number) => void,
): Promise<void> {
  let next = 0
  const run = async () => {
    while (next < clients) {
      const i = next++
      await using mq = await connect(`gomq://${address}`, {
        ...PATIENT,
        ...(leaving !== 'producer' && { clientId: `device-${i}` }),
      })
      if (leaving !== 'producer')
        await mq.subscribe([`commands/${i % 97}/device-${i}/+`], { name: 'commands', from: 'new' })
      if (leaving !== 'durable')
        await mq.publish(`state/${i % 97}/device-${i}`, `is ${i}`, { retain: leaving === 'everything' })
      if (i % 256 === 0) onProgress(i / clients)
    }
  }
  await Promise.all(Array.from({ length: CLIENTS_AT_ONCE }, run))
}

/** Leaves `entries` entries of state behind: of clients that had a durable subscription and published a retained message. */
export async function fillState(address: string, entries: number, onProgress: (share: number) => void): Promise<void> {
  await fillClients(address, Math.ceil(entries / ENTRIES_PER_CLIENT), 'everything', onProgress)
}

/** Publishes messages of 1 KiB to several topics until they are `bytes`. */
export async function fillLog(address: string, bytes: number, onProgress: (share: number) => void): Promise<void> {
  const value = new Uint8Array(1024).map((_, i) => (i * 31) & 0xff)
  await publishAll(address, Math.ceil(bytes / value.byteLength), onProgress, (mq, i) =>
    mq.publish(`bulk/${Math.floor(i / 64) % BULK_TOPICS}`, value),
  )
}

/** Publishes a retained message of 16 bytes to each of `topics` topics of some 24 characters. */
export async function fillRetained(
  address: string,
  topics: number,
  onProgress: (share: number) => void,
): Promise<void> {
  const value = new Uint8Array(16).fill(120)
  // Each is a batch of its own, and a producer has 64 batches in flight at most.
  const each = Math.ceil(topics / PRODUCERS)
  const run = (producer: number) => {
    const from = producer * each
    return publishAll(address, Math.min(each, topics - from), producer === 0 ? onProgress : () => undefined, (mq, i) =>
      mq.publish(retainedTopic(from + i), value, { retain: true }),
    )
  }
  await Promise.all(Array.from({ length: PRODUCERS }, (_, producer) => run(producer)))
}

/** The i-th topic of {@link fillRetained}: sites, then devices, then what they measure. */
export function retainedTopic(i: number): string {
  return `site/${i % 1000}/device${String(Math.floor(i / 2000)).padStart(4, '0')}/${i % 2000 < 1000 ? 'temp' : 'load'}`
}

/** Has one client publish so many messages, as fast as it may; all of them are acknowledged when it settles. */
export async function publishAll(
  address: string,
  messages: number,
  onProgress: (share: number) => void,
  publish: (mq: GomqClient, i: number) => Promise<unknown>,
): Promise<void> {
  await using mq = await connect(`gomq://${address}`, { ...PATIENT, bufferBytesMax: 1024 * 1024 })
  const failed = new AbortController()
  let last: Promise<unknown> = Promise.resolve()
  for (let i = 0; i < messages; i++) {
    last = publish(mq, i)
    last.catch((error) => failed.abort(error))
    if (i % PACE_EVERY !== 0) continue
    failed.signal.throwIfAborted()
    await mq.writable()
    if (i % 4096 === 0) onProgress(i / messages)
  }
  await last
  failed.signal.throwIfAborted()
}
