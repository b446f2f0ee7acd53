import { connect, type GomqClient, GomqError } from '@gomq/client'
import { PacketType } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { Deliveries } from './support/deliveries.js'
import { FrameProxy } from './support/frame-proxy.js'
import { delay } from './support/killed-load.js'
import { Ledger } from './support/ledger.js'
import { readAll } from './support/read-all.js'

const ROUNDS = process.env['GOMQ_LONG'] ? 1000 : 50
const seed = Number(process.env['GOMQ_SEED'] ?? 71_003)
const RECONNECT = { minMs: 1, maxMs: 20 }
const REQUEST_TIMEOUT_MS = 1_000
const SETTLED_WITHIN_MS = 20_000
/** Packets within which a connection is torn, beside the moments that fall anywhere. */
const TORN = [PacketType.PUBLISH, PacketType.PUBACK, PacketType.DELIVER, PacketType.ACK, PacketType.ACKED] as const

test(`over ${ROUNDS} forced reconnects consumers go on, and every promise that a client has returned settles`, async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start()
  await using proxy = await FrameProxy.start(() => broker.tcp)
  const promises = new Promises()
  let reconnects = -5
  const open = async (clientId: string) => {
    const mq = await connect(proxy.url, { clientId, reconnect: RECONNECT })
    reconnects++
    mq.on('connected', () => reconnects++)
    return mq
  }
  const [publisher, durable, iterating, asking, answering] = (await Promise.all(
    ['publisher', 'durable', 'iterating', 'asking', 'answering'].map(open),
  )) as [GomqClient, GomqClient, GomqClient, GomqClient, GomqClient]

  const durableSubscription = await durable.subscribe('load', { qos: 2, name: 'load' })
  const iteratingSubscription = await iterating.subscribe('load', { qos: 1 })
  const questions = await answering.subscribe('questions', { qos: 1 })
  const [atDurable, atIterating] = [new Deliveries(), new Deliveries()]
  const loops = [
    (async () => {
      for await (const message of durableSubscription) {
        atDurable.note(message.text)
        promises.track('ack', message.ack())
      }
    })(),
    (async () => {
      for await (const message of iteratingSubscription) atIterating.note(message.text)
    })(),
    (async () => {
      for await (const question of questions) promises.track('reply', question.reply(question.text))
    })(),
  ]

  const ledger = new Ledger()
  let published = 0
  const publishSome = () => {
    for (let i = 0; i < 3; i++) {
      const sequence = published++
      const publish = publisher.publish('load', `p:${sequence}`, { qos: 2 })
      publish.then(
        () => ledger.settle('p', sequence, 'acked'),
        () => ledger.settle('p', sequence, 'unknown'),
      )
      promises.track('publish', publish)
    }
    promises.track('writable', Promise.resolve(publisher.writable()))
  }

  for (let round = 0; round < ROUNDS; round++) {
    const where = `round ${round}, seed ${seed}`
    promises.track('request', asking.request('questions', `${round}`, { timeoutMs: REQUEST_TIMEOUT_MS }))
    const passing = iterating.subscribe('load', { qos: 1 })
    promises.track('subscribe', passing)
    promises.track(
      'caughtUp',
      passing.then((subscription) => subscription.caughtUp()),
    )
    publishSome()
    const kind = random.below(3)
    if (kind === 0) {
      let isCut = false
      const cut = proxy.cutAt({ type: random.pick(TORN), nth: 1 + random.below(2), when: 'within' })
      void cut.then(() => (isCut = true))
      await until(() => {
        publishSome()
        return isCut
      }, `nothing was cut, ${where}`)
    } else {
      await delay(random.below(15))
      publishSome()
      if (kind === 1) proxy.drop()
      else proxy.dropOne(random.below(proxy.connections))
    }
    publishSome()
    promises.track(
      'unsubscribe',
      passing.then((subscription) => subscription.unsubscribe()),
    )
    await until(() => atDurable.count >= published, `the durable consumer does not go on, ${where}`)
    await until(() => atIterating.count >= published, `the iterating consumer does not go on, ${where}`)
  }

  await until(() => promises.pending === 0, `${promises.describePending()}, seed ${seed}`)
  for (const mq of [publisher, durable, iterating, asking, answering]) promises.track('close', mq.close())
  await until(() => promises.pending === 0, `${promises.describePending()}, seed ${seed}`)
  await Promise.all(loops)
  const stored = await readAll(broker.url, 'load')
  const audit = ledger.audit(stored)
  const late = promises.failed('request')
  console.log(
    `reconnects (seed ${seed}): ${ROUNDS} rounds, ${reconnects} reconnects, ${promises.settled} promises settled, ${promises.pending} pending, ` +
      `${late.length} of ${ROUNDS} requests timed out; ${published} published, stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}; ` +
      `durable consumer ${atDurable.doubled} doubled, ${atDurable.outOfOrder} out of order, iterating ${atIterating.doubled} and ${atIterating.outOfOrder}`,
  )
  expect(audit, `seed ${seed}`).toMatchObject({ stored: published, lost: 0, duplicated: 0, outOfOrder: 0 })
  for (const deliveries of [atDurable, atIterating])
    expect(deliveries, `seed ${seed}`).toMatchObject({ count: published, doubled: 0, outOfOrder: 0 })
  // An answer travels with QoS 0: one that is lost with its connection is a TIMEOUT.
  expect(late.filter((error) => error.code !== 'TIMEOUT')).toEqual([])
  for (const kind of ['publish', 'ack', 'writable', 'subscribe', 'caughtUp', 'unsubscribe', 'reply', 'close'])
    expect(promises.failed(kind), `${kind}, seed ${seed}`).toEqual([])
  expect(reconnects).toBeGreaterThanOrEqual(ROUNDS)
}, 1_800_000)

/** Every promise that a client has returned, by the call that returned it. */
class Promises {
  settled = 0
  readonly #pending = new Map<string, number>()
  readonly #failures: { readonly kind: string; readonly error: GomqError }[] = []

  get pending(): number {
    return [...this.#pending.values()].reduce((sum, count) => sum + count, 0)
  }

  track(kind: string, promise: Promise<unknown>): void {
    this.#pending.set(kind, (this.#pending.get(kind) ?? 0) + 1)
    promise
      .catch((error: unknown) => this.#failures.push({ kind, error: GomqError.from(error) }))
      .finally(() => {
        this.settled++
        this.#pending.set(kind, this.#pending.get(kind)! - 1)
      })
  }

  failed(kind: string): GomqError[] {
    return this.#failures.filter((failure) => failure.kind === kind).map(({ error }) => error)
  }

  describePending(): string {
    const counts = [...this.#pending].filter(([, count]) => count > 0).map(([kind, count]) => `${count} ${kind}`)
    return `promises do not settle: ${counts.join(', ')}`
  }
}

async function until(condition: () => boolean, message: string): Promise<void> {
  for (const deadlineMs = Date.now() + SETTLED_WITHIN_MS; !condition(); await delay(1))
    if (Date.now() > deadlineMs) throw new Error(message)
}
