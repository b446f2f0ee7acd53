import { connect, type GomqClient, GomqError } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { Ledger } from './support/ledger.js'
import { readAll } from './support/read-all.js'

const ROUNDS = process.env['GOMQ_LONG'] ? 200 : 50
const PRODUCERS = 3
/** Publishes of one producer that may wait for their ack. */
const WINDOW = 400
/** Quick enough that a broker which lives for a tenth of a second is found. */
const RECONNECT = { minMs: 10, maxMs: 100 }
/** Silence after which the consumer is taken for stalled. */
const STALLED_MS = 15_000
const seed = Number(process.env['GOMQ_SEED'] ?? 20_261)

test(`kill -9 at ${ROUNDS} random moments under load loses, doubles and reorders nothing that was acked`, async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start()
  const ledger = new Ledger()
  const stop = new AbortController()
  const received = new Set<string>()
  const producers = Array.from({ length: PRODUCERS }, (_, i) => produce(broker.url, `p${i}`, ledger, stop.signal))
  const consumer = consumeDurably(broker.url, received)

  for (let round = 0; round < ROUNDS; round++) {
    await delay(50 + random.below(350))
    await broker.kill()
    await broker.restart()
  }
  await delay(500)
  stop.abort()
  await Promise.all(producers)
  const stored = await readAll(broker.url, 'load/#')
  await consumer.finish(stored.length)
  const audit = ledger.audit(stored)
  const missed = stored.filter((message) => !received.has(message)).length

  console.log(
    `kill -9 (seed ${seed}): ${ROUNDS} rounds, ${ledger.count('acked')} acked, ${ledger.count('unknown')} unknown, ${ledger.count('refused')} refused; ` +
      `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; durable consumer: ${received.size} received, ${missed} missed`,
  )
  expect(audit).toMatchObject({
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    refusedButStored: 0,
    unheardOf: 0,
    firstLost: '',
  })
  expect(missed, 'stored messages that the durable consumer never received').toBe(0)
  expect(ledger.count('acked'), 'a run that hardly publishes proves nothing').toBeGreaterThan(ROUNDS * 50)
})

async function produce(url: string, name: string, ledger: Ledger, stop: AbortSignal): Promise<void> {
  await using mq: GomqClient = await connect(url, { clientId: name, reconnect: RECONNECT })
  const waiting = new Set<Promise<void>>()
  for (let sequence = 0; !stop.aborted; sequence++) {
    const settled = mq
      .publish(`load/${name}`, `${name}:${sequence}`, { qos: 1, timeoutMs: 60_000 })
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
function consumeDurably(url: string, received: Set<string>): { finish(count: number): Promise<void> } {
  let lastMs = Date.now()
  const subscribed = (async () => {
    const mq = await connect(url, { clientId: 'auditor', reconnect: RECONNECT })
    return { mq, subscription: await mq.subscribe(['load/#'], { qos: 1, name: 'audit', from: 'earliest' }) }
  })()
  const reading = subscribed.then(async ({ subscription }) => {
    for await (const message of subscription) {
      received.add(message.text)
      message.ack().catch(() => {})
      lastMs = Date.now()
    }
  })
  const finish = async (count: number) => {
    while (received.size < count && Date.now() - lastMs < STALLED_MS) await delay(20)
    const { mq } = await subscribed
    await mq.close()
    await reading
  }
  return { finish }
}

function fateOf(error: unknown): 'refused' | 'unknown' {
  return error instanceof GomqError && ['TIMEOUT', 'CONNECTION_LOST', 'OUTCOME_UNKNOWN', 'CLOSED'].includes(error.code)
    ? 'unknown'
    : 'refused'
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
