import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type GomqClient, GomqError } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { delay, fateOf, RECONNECT } from './support/killed-load.js'
import { Ledger, NOTHING_WRONG } from './support/ledger.js'
import { readAll } from './support/read-all.js'
import { SmallDisk } from './support/small-disk.js'
import { until } from './support/until.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
/** Nothing is cleaned here: each round leaves its messages. */
const DISK_MIB = isLong ? 512 : 64
/** How often the disk fills and is emptied. */
const ROUNDS = isLong ? 5 : 1
const VALUE = 'x'.repeat(2_000)

test.for([
  { reserve: 'auto', what: 'publishes are refused below the reserve, and acknowledgements go on' },
  { reserve: '0', what: 'without a reserve everybody waits' },
])(
  'on a disk that is full reads work, $what; with space the broker goes on without a restart, and nothing acked is lost',
  { timeout: 600_000 },
  async ({ reserve }, context) => {
    using disk = mountOrSkip(context)
    await using broker = await BrokerProcess.start({
      dataDirectory: join(disk.path, 'data'),
      args: ['--segment-bytes', '4MiB', '--snapshot-interval-bytes', '8MiB', '--disk-reserve-bytes', reserve],
    })
    const { pid } = broker
    const ledger = new Ledger()
    const stop = new AbortController()
    const codes = new Map<string, number>()
    const producers = ['p0', 'p1'].map((name) => fill(broker.url, name, ledger, codes, stop.signal))
    await using consumer = await connect(broker.url, { clientId: 'c', reconnect: RECONNECT })
    const subscription = await consumer.subscribe(['load/#'], { qos: 1, name: 'mine', from: 'earliest' })
    const messages = subscription[Symbol.asyncIterator]()
    const ackOne = async () => {
      const { value } = await messages.next()
      await value!.ack()
    }
    let rssMiB = 0
    for (let round = 0; round < ROUNDS; round++) {
      await delay(200)
      // What there is to free later: space for half a second of publishing.
      disk.occupy(Math.max(0, disk.freeBytes - (reserve === '0' ? 2 : 20) * 2 ** 20))
      if (reserve === '0') {
        await until('the broker is not ready', async () => (await readiness(broker)).status === 503)
        expect(await readiness(broker)).toMatchObject({ status: 503, body: { code: 'DISK_FULL' } })
      } else {
        await until('publishes are refused', async () => (await readiness(broker)).body['publishes'] === 'refused')
        expect((await readiness(broker)).body['reason']).toMatch(/MiB free and keeps \d+ MiB .* free some space/)
        await ackOne()
        const refused = await fetch(`${broker.httpUrl}/pub`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ topic: 'other', body: 'x', qos: 1 }),
        })
        expect([refused.status, await refused.json()]).toMatchObject([507, { code: 'DISK_FULL', retriable: true }])
        await until('a publish is rejected', async () => (codes.get('DISK_FULL') ?? 0) > 10 * (round + 1))
      }
      const page = await fetch(`${broker.httpUrl}/messages?topic=load/p0&limit=3`)
      expect(((await page.json()) as { message_list: unknown[] }).message_list, 'reads work').toHaveLength(3)
      rssMiB = Math.max(rssMiB, broker.rssMiB)
      const before = ledger.count('acked')
      disk.release()
      await until('publishes are acked again', async () => ledger.count('acked') > before + 100)
      await until('the broker is ready', async () => (await readiness(broker)).body['publishes'] === 'taken')
      await ackOne()
      expect(broker.pid, 'the same process').toBe(pid)
    }
    stop.abort()
    disk.release()
    await Promise.all(producers)
    const stored = await readAll(broker.url, 'load/#')
    const audit = ledger.audit(stored.map((each) => each.split(' ')[0]!))
    await broker.kill()
    await broker.restart()
    const again = await readAll(broker.url, 'load/#')
    const begins = broker.stderr
      .split('\n')
      .filter((line) => line.includes('publishes are refused until') || line.includes('nothing is stored until'))
    const temporary = readdirSync(join(disk.path, 'data'), { recursive: true }).filter((name) =>
      String(name).endsWith('.tmp'),
    )
    console.log(
      `full disk, reserve ${reserve}: ${ROUNDS} rounds, ${ledger.count('acked')} acked, ${ledger.count('refused')} refused, ${ledger.count('unknown')} unknown; ` +
        `stored ${audit.stored}, lost ${audit.lost}, doubled ${audit.duplicated}, out of order ${audit.outOfOrder}; ` +
        `codes ${JSON.stringify(Object.fromEntries(codes))}; ${begins.length} lines that it began; RSS ${rssMiB.toFixed(0)} MiB`,
    )
    expect(audit).toMatchObject(NOTHING_WRONG)
    expect(again, 'the same after kill -9').toEqual(stored)
    expect(temporary, 'no half file is left').toEqual([])
    expect(begins.length).toBeGreaterThanOrEqual(ROUNDS)
  },
)

test('a broker that is told to stop on a full disk ends in bounded time with 75, and the next start has all that was acked', async (context) => {
  using disk = mountOrSkip(context)
  await using broker = await BrokerProcess.start({
    dataDirectory: join(disk.path, 'data'),
    args: ['--segment-bytes', '4MiB', '--disk-reserve-bytes', '0'],
  })
  const ledger = new Ledger()
  const stop = new AbortController()
  const producer = fill(broker.url, 'p0', ledger, new Map(), stop.signal)
  await delay(300)
  disk.occupy(disk.freeBytes - 2 ** 20)
  await until('the broker is not ready', async () => (await readiness(broker)).status === 503)
  const startMs = Date.now()
  expect(await broker.stop()).toBe(75)
  expect(Date.now() - startMs).toBeLessThan(10_000)
  expect(broker.stderr).toContain('make room and start again')
  disk.release()
  await broker.restart()
  stop.abort()
  await producer
  const audit = ledger.audit((await readAll(broker.url, 'load/#')).map((each) => each.split(' ')[0]!))
  expect(audit).toMatchObject(NOTHING_WRONG)
}, 120_000)

function mountOrSkip(context: { skip(reason: string): never }): SmallDisk {
  const disk = SmallDisk.mount(DISK_MIB)
  return typeof disk === 'string' ? context.skip(disk) : disk
}

/** Publishes until it is stopped, with short timeouts, and counts how publishes fail. */
async function fill(
  url: string,
  name: string,
  ledger: Ledger,
  codes: Map<string, number>,
  stop: AbortSignal,
): Promise<void> {
  await using mq: GomqClient = await connect(url, { clientId: name, reconnect: RECONNECT })
  const waiting = new Set<Promise<void>>()
  for (let sequence = 0; !stop.aborted; sequence++) {
    const number = sequence
    const settled = mq
      .publish(`load/${name}`, `${name}:${number} ${VALUE}`, { qos: 1, timeoutMs: 2_000 })
      .then(() => ledger.settle(name, number, 'acked'))
      .catch((error: unknown) => {
        const code = error instanceof GomqError ? error.code : String(error)
        codes.set(code, (codes.get(code) ?? 0) + 1)
        ledger.settle(name, number, fateOf(error))
      })
      .finally(() => waiting.delete(settled))
    waiting.add(settled)
    if (waiting.size >= 50) await Promise.race(waiting)
    // A disk of this size is full in a second all the same.
    if (number % 20 === 0) await delay(5)
  }
  await Promise.all(waiting)
}

async function readiness(broker: BrokerProcess): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${broker.httpUrl}/readyz`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}
