import { connect, type GomqClient, GomqError, type Subscription } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { delay } from './support/killed-load.js'

const TAKE_OVERS = process.env['GOMQ_LONG'] ? 1000 : 50
const seed = Number(process.env['GOMQ_SEED'] ?? 31_007)
const CLIENT_ID = 'double'
/** Longer than the delayed wills below. */
const QUIET_MS = 1_500

/** One of the clients that share the client id. */
interface Rival {
  readonly name: string
  readonly mq: GomqClient
  readonly willDelaySec: number
}

test(`a client id that is taken over ${TAKE_OVERS} times has one session, the loser is told, and its will comes once if it has no delay`, async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start()
  await using watcher = await connect(broker.url)
  const wills = watch(await watcher.subscribe('wills/#', { qos: 1 }))
  const expected: string[] = []
  const counts = { rounds: 0, takeOvers: 0, races: 0, closed: 0, neverLetIn: 0, kept: 0 }
  let names = 0
  let letters = 0
  /** Delivered and not acknowledged. */
  let owed: string[] = []

  const attempt = async (): Promise<Rival> => {
    const name = `rival ${names++}`
    const willDelaySec = random.chance(0.25) ? 1 : 0
    const will = { topic: 'wills/double', value: name, qos: 1, delaySec: willDelaySec } as const
    return { name, willDelaySec, mq: await connect(broker.url, { clientId: CLIENT_ID, will }) }
  }
  /** What is due when `rival` has lost its id. */
  const lose = async (rival: Rival) => {
    expect(await lossOf(rival.mq), `${rival.name}; seed ${seed}`).toBe('SESSION_TAKEN_OVER')
    expect(rival.mq.isConnected).toBe(false)
    counts.takeOvers++
    if (rival.willDelaySec === 0) expected.push(rival.name)
  }

  let holder = await attempt()
  let kept = await holder.mq.subscribe('letters', { qos: 1, name: 'kept' })
  for (let round = 0; counts.takeOvers < TAKE_OVERS; round++) {
    counts.rounds++
    const letter = `letter ${letters++}`
    await watcher.publish('letters', letter, { qos: 1 })
    owed.push(letter)
    for (const text of owed) {
      const { value } = await kept.next()
      expect(value?.text, `round ${round}, seed ${seed}`).toBe(text)
      if (random.chance(0.7)) {
        await value!.ack()
        owed = owed.filter((each) => each !== text)
      } else counts.kept++
    }

    const before = holder
    const loop = kept.next().catch((error: unknown) => error)
    const change = random.below(100)
    if (change < 15) {
      await before.mq.close()
      expect(await loop).toMatchObject({ done: true })
      holder = await attempt()
      counts.closed++
    } else if (change < 30) {
      // Two at about the same moment: one of them has it in the end, and one that was never let in leaves no will.
      const rivals = await Promise.allSettled([attempt(), delay(random.below(8)).then(attempt)])
      const letIn = rivals.filter((each) => each.status === 'fulfilled').map((each) => each.value)
      const losses = await Promise.all(letIn.map((rival) => lossOf(rival.mq)))
      const winners = letIn.filter((_, i) => losses[i] === undefined)
      expect(winners, `seed ${seed}`).toHaveLength(1)
      for (const rival of letIn) if (rival !== winners[0]) await lose(rival)
      for (const each of rivals)
        if (each.status === 'rejected') expect(each.reason).toMatchObject({ code: 'SESSION_TAKEN_OVER' })
      counts.neverLetIn += rivals.length - letIn.length
      counts.races++
      holder = winners[0]!
      await lose(before)
      expect(await loop).toMatchObject({ code: 'SESSION_TAKEN_OVER' })
    } else {
      holder = await attempt()
      await lose(before)
      expect(await loop).toMatchObject({ code: 'SESSION_TAKEN_OVER' })
    }
    expect(holder.mq.sessionPresent).toBe(true)
    const { items } = await sessions(broker)
    expect(items).toHaveLength(1)
    expect(items[0]).toMatchObject({ clientId: CLIENT_ID, connected: true, subscriptions: 1, hasWill: true })
    kept = await holder.mq.subscribe('letters', { qos: 1, name: 'kept' })
  }
  await holder.mq.close()
  await wills.until(expected.length)
  await delay(QUIET_MS)

  console.log(
    `take-over (seed ${seed}): ${counts.rounds} rounds, ${counts.takeOvers} taken over, ${counts.races} races (${counts.neverLetIn} never let in), ` +
      `${counts.closed} closed in order; ${expected.length} wills due, ${wills.values.length} published; ${letters} letters, ${counts.kept} times one was left for the next`,
  )
  expect([...wills.values].sort(), `seed ${seed}`).toEqual(expected.sort())
  expect((await sessions(broker)).items).toMatchObject([{ clientId: CLIENT_ID, connected: false, hasWill: false }])
}, 1_800_000)

/** Why the client has ended; undefined if it lives. */
async function lossOf(mq: GomqClient): Promise<string | undefined> {
  try {
    await mq.publish('probes', 'alive?', { qos: 1 })
    return undefined
  } catch (error) {
    if (!(error instanceof GomqError)) throw error
    // What was under way when the client was sent away has the reason as its cause.
    return error.cause instanceof GomqError ? error.cause.code : error.code
  }
}

function watch(subscription: Subscription): { readonly values: string[]; until(count: number): Promise<void> } {
  const values: string[] = []
  void (async () => {
    for await (const message of subscription) values.push(message.text)
  })()
  const until = async (count: number) => {
    for (const deadlineMs = Date.now() + 10_000; values.length < count && Date.now() < deadlineMs; ) await delay(10)
  }
  return { values, until }
}

async function sessions(broker: BrokerProcess): Promise<{ items: object[] }> {
  const response = await fetch(`${broker.httpUrl}/v1/sessions`)
  return (await response.json()) as { items: object[] }
}
