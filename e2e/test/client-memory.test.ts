import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const VALUE_BYTES = 16 * 1024
const MIB = 2 ** 20

/**
 * A program that publishes while its broker is away, and says how its publishes settled and how much memory it took meanwhile. At last it waits
 * for the broker and publishes once more.
 */
const PUBLISHER = `
import { connect } from '@gomq/client'
import { once } from 'node:events'
const [url, mode, count, valueBytes, publishTimeoutMs, underWay] = process.argv.slice(1)
const mq = await connect(url, { publishTimeoutMs: Number(publishTimeoutMs), reconnect: { maxMs: 200 } })
const away = new Promise((resolve) => mq.on('disconnected', resolve))
console.log('connected')
await once(process.stdin, 'data')
const used = async () => {
  gc()
  // Buffers are swept behind the collection.
  await new Promise((resolve) => setTimeout(resolve, 20))
  gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
const before = await used()
const outcomes = {}
let pending = 0
let peak = 0
const publish = () => {
  pending++
  mq.publish('away', new Uint8Array(Number(valueBytes)))
    .then(() => 'acked', (error) => error.code)
    .then((outcome) => {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
      pending--
    })
}
for (let i = 0; i < Number(underWay); i++) publish()
await new Promise(setImmediate)
console.log('under way')
await away
for (let i = 0; i < Number(count); i++) {
  publish()
  if (mode === 'paced') await mq.writable()
  else if (i % 100 === 0) await new Promise(setImmediate)
  if (i % 4000 === 0) peak = Math.max(peak, await used())
}
peak = Math.max(peak, await used())
while (pending > 0) await new Promise((resolve) => setTimeout(resolve, 20))
const after = await used()
console.log(JSON.stringify({ outcomes, grownBytes: peak - before, keptBytes: after - before }))
await once(process.stdin, 'data')
const { offset } = await mq.publish('away', 'back', { timeoutMs: 60_000 })
console.log(JSON.stringify({ offset }))
await mq.close()
process.exit()
`

interface Report {
  readonly outcomes: Readonly<Record<string, number>>
  readonly grownBytes: number
  readonly keptBytes: number
}

/**
 * Runs the program against a broker that is killed, and comes back when the publishes have settled.
 * @param underWay  publishes that the broker has not read when it dies
 */
async function publishWhileAway(
  mode: 'paced' | 'unpaced',
  count: number,
  publishTimeoutMs: number,
  underWay = 0,
): Promise<Report> {
  await using broker = await BrokerProcess.start()
  const args = [broker.url, mode, count, VALUE_BYTES, publishTimeoutMs, underWay].map(String)
  const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', PUBLISHER, ...args], {
    cwd: import.meta.dirname,
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    expect(await line(child)).toBe('connected')
    process.kill(broker.pid, 'SIGSTOP')
    child.stdin!.write('publish')
    expect(await line(child)).toBe('under way')
    await broker.kill()
    const report = JSON.parse(await line(child)) as Report
    await broker.restart()
    child.stdin!.write('go on')
    expect(JSON.parse(await line(child))).toEqual({ offset: expect.any(Number) })
    const { outcomes, grownBytes, keptBytes } = report
    console.log(
      `client memory, ${mode}: ${count} publishes of ${VALUE_BYTES} bytes without a broker, ${underWay} more under way: ${JSON.stringify(outcomes)}; ` +
        `${(grownBytes / MIB).toFixed(1)} MiB more at most, ${(keptBytes / MIB).toFixed(1)} MiB in the end`,
    )
    return report
  } finally {
    child.kill('SIGKILL')
  }
}

async function line(child: ChildProcess): Promise<string> {
  const ended = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the publisher ended: ${code ?? signal}`)
  })
  ended.catch(() => {})
  const [chunk] = (await Promise.race([once(child.stdout!, 'data'), ended])) as [Buffer]
  return chunk.toString().trim()
}

test('a producer that awaits writable() while its broker is away holds a fraction of its buffer, and its publishes end with TIMEOUT', async () => {
  const count = isLong ? 5_000 : 500
  const { outcomes, grownBytes, keptBytes } = await publishWhileAway('paced', count, 200)
  expect(outcomes).toEqual({ TIMEOUT: count })
  expect(grownBytes).toBeLessThan(16 * MIB)
  expect(keptBytes).toBeLessThan(8 * MIB)
}, 600_000)

test('it goes on when what was under way as its broker died has timed out', async () => {
  const { outcomes, grownBytes } = await publishWhileAway('paced', 20, 200, 300)
  expect(outcomes).toEqual({ TIMEOUT: 320 })
  expect(grownBytes).toBeLessThan(16 * MIB)
})

test('one that awaits nothing is stopped by BUFFER_FULL before large messages fill its memory', async () => {
  const count = isLong ? 400_000 : 20_000
  const { outcomes, grownBytes, keptBytes } = await publishWhileAway('unpaced', count, 8_000)
  expect(outcomes['BUFFER_FULL']).toBeGreaterThan(0)
  expect(outcomes['TIMEOUT']).toBeGreaterThan(0)
  expect(outcomes['BUFFER_FULL']! + outcomes['TIMEOUT']!).toBe(count)
  expect(grownBytes).toBeLessThan(300 * MIB)
  expect(keptBytes).toBeLessThan(16 * MIB)
}, 600_000)
