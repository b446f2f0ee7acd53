import { type Compression, connect, type GomqClient, GomqError } from '@gomq/client'
import type { Deliveries } from './deliveries.js'
import type { Ledger } from './ledger.js'

/** Publishes of one producer that may wait for their ack. */
const WINDOW = 400
/** Quick enough that a broker which lives for a tenth of a second is found. */
export const RECONNECT = { minMs: 10, maxMs: 100 }
/** Silence after which the consumer is taken for stalled. */
const STALLED_MS = 15_000

/** What compressing producers add to each message, so that every batch is compressed, one message or many. */
const COMPRESSIBLE = { padding: ' '.repeat(1100) }

/** Publishes `name:0`, `name:1`, ... to `load/<name>` until it is stopped, and tells the ledger how each publish settled. */
export async function produce(
  url: string | readonly string[],
  name: string,
  qos: 1 | 2,
  ledger: Ledger,
  stop: AbortSignal,
  compression: Compression = 'none',
): Promise<void> {
  await using mq: GomqClient = await connect(url, { clientId: name, reconnect: RECONNECT, compression })
  const headers = compression === 'none' ? undefined : COMPRESSIBLE
  const waiting = new Set<Promise<void>>()
  for (let sequence = 0; !stop.aborted; sequence++) {
    const settled = mq
      .publish(`load/${name}`, `${name}:${sequence}`, { qos, timeoutMs: 60_000, ...(headers && { headers }) })
      .then(() => ledger.settle(name, sequence, 'acked'))
      .catch((error: unknown) => ledger.settle(name, sequence, fateOf(error)))
      .finally(() => waiting.delete(settled))
    waiting.add(settled)
    if (waiting.size >= WINDOW) await Promise.race(waiting)
    else if (sequence % 64 === 0) await delay(0)
  }
  await Promise.all(waiting)
}

/** A durable subscriber that acks what it gets, until it has so many different messages or nothing more comes. */
export function consumeDurably(
  url: string | readonly string[],
  qos: 1 | 2,
  deliveries: Deliveries,
): { finish(count: number): Promise<{ missedEvents: number }> } {
  let lastMs = Date.now()
  let missedEvents = 0
  const subscribed = (async () => {
    const mq = await connect(url, { clientId: 'auditor', reconnect: RECONNECT })
    mq.on('missed', () => missedEvents++)
    return { mq, subscription: await mq.subscribe(['load/#'], { qos, name: 'audit', from: 'earliest' }) }
  })()
  const reading = subscribed.then(async ({ subscription }) => {
    for await (const message of subscription) {
      deliveries.note(message.text)
      message.ack().catch(() => {})
      lastMs = Date.now()
    }
  })
  const finish = async (count: number) => {
    while (deliveries.count < count && Date.now() - lastMs < STALLED_MS) await delay(20)
    const { mq } = await subscribed
    await mq.close()
    await reading
    return { missedEvents }
  }
  return { finish }
}

/** What a rejected publish says about its message: that it is not stored, or nothing. */
export function fateOf(error: unknown): 'refused' | 'unknown' {
  return error instanceof GomqError && ['TIMEOUT', 'CONNECTION_LOST', 'OUTCOME_UNKNOWN', 'CLOSED'].includes(error.code)
    ? 'unknown'
    : 'refused'
}

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
