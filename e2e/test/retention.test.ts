import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from '@gomq/client'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { cleaningReport, logStartOf, putPolicy, segmentNames } from './support/cleaning-report.js'
import { gomqctl } from './support/gomqctl.js'
import { delay } from './support/killed-load.js'
import { readAll, readMessages } from './support/read-all.js'
import { floorOf, type Reading, StoredTruth } from './support/stored-truth.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const seed = Number(process.env['GOMQ_SEED'] ?? 20_264)
/** How long readers, appends and the cleaner race. */
const RACE_MS = isLong ? 120_000 : 3_000
const KIB = 1024
const MIB = 1024 * KIB
const PADDING = '.'.repeat(1000)
/** The cleaner at full speed. */
const ARGS = ['--segment-bytes', '64KiB', '--snapshot-interval-bytes', '64KiB', '--clean-interval-ms', '10']

test('a durable consumer that retention overtakes is told the range it missed, goes on where the log begins, and gets everything else once', async () => {
  await using broker = await BrokerProcess.start({ args: ARGS })
  await putPolicy(broker, { filter: 'slow/#', maxCount: 500 })
  await using mq = await connect(broker.url, { clientId: 'slow' })
  const missed: { from: number; to: number }[] = []
  mq.on('missed', ({ from, to }) => missed.push({ from, to }))
  const subscription = await mq.subscribe('slow/#', { name: 'mine', from: 'earliest', prefetch: { messages: 20 } })
  const messages = subscription[Symbol.asyncIterator]()
  await using publisher = await connect(broker.url)
  const published = new Map<number, string>()
  let count = 0
  const publish = async (times: number) => {
    for (const end = count + times; count < end; ) {
      const texts = Array.from({ length: 100 }, () => `s:${count++} ${PADDING}`)
      const acks = await Promise.all(texts.map((text) => publisher.publish('slow/a', text)))
      for (const [i, { offset }] of acks.entries()) published.set(offset, texts[i]!)
    }
  }
  const received: { offset: number; text: string }[] = []
  const take = async (upTo: string) => {
    for (;;) {
      const { value } = await messages.next()
      received.push({ offset: value!.offset, text: value!.text })
      await value!.ack()
      if (value!.text.startsWith(upTo)) return
    }
  }
  await publish(100)
  await take('s:49 ')
  await publish(3_000)
  await until(
    'the log begins behind the consumer',
    async () => logStartOf(broker.dataDirectory) > received.at(-1)!.offset + 100,
  )
  await publish(100)
  const last = `s:${count - 1} `
  await take(last)

  const floor = await floorOf(broker, 'slow/#')
  expect(missed.length).toBeGreaterThan(0)
  const isMissed = (offset: number) => missed.some(({ from, to }) => from <= offset && offset < to)
  const offsets = received.map(({ offset }) => offset)
  expect(offsets, 'once and in order').toEqual([...new Set(offsets)].sort((a, b) => a - b))
  for (const { offset, text } of received) expect(published.get(offset)).toBe(text)
  expect(offsets.filter(isMissed), 'what was told to be missed did not come').toEqual([])
  const neither = [...published.keys()].filter((offset) => !offsets.includes(offset) && !isMissed(offset))
  expect(neither, 'everything else came').toEqual([])
  expect(
    missed.every(({ to }) => to <= floor),
    'only what retention took was missed',
  ).toBe(true)
})

const READERS = ['earliest', 'wildcard', 'one topic', 'pages', 'durable']

test('readers at every position see each living message once, right and in order, while retention, compaction and appends go on at full speed', async () => {
  const random = new SeededRandom(seed)
  await using broker = await BrokerProcess.start({ args: ARGS })
  const { url } = broker
  await putPolicy(broker, { filter: 'run/#', maxCount: 200 })
  await putPolicy(broker, { filter: 'keys/#', isCompacted: true })
  const truth = new StoredTruth()
  const stop = new AbortController()
  const readings: Reading[] = []
  const isRun = (topic: string) => topic.startsWith('run/')
  const every = () => true
  const only = (name: string) => (topic: string) => topic === name
  const finish = async (reading: Omit<Reading, 'floor'>) =>
    readings.push({ ...reading, floor: await floorOf(broker, 'run/#') })

  /** Reads from `from` to what is the end now. */
  const read = async (reader: string, filter: string, wants: Reading['wants'], from: number | 'earliest') => {
    const to = truth.end
    await using mq = await connect(url)
    const missed: { from: number; to: number }[] = []
    mq.on('missed', (stretch) => missed.push({ from: stretch.from, to: stretch.to }))
    const start = from === 'earliest' ? from : { offset: from }
    const subscription = await mq.subscribe(filter, { qos: 0, from: start, untilEnd: true, prefetch: { messages: 50 } })
    const messages: Reading['messages'][number][] = []
    for await (const { offset, topic, text } of subscription) {
      messages.push({ offset, topic, text })
      if (messages.length % 50 === 0) await delay(random.below(20))
    }
    await finish({ reader, wants, from: from === 'earliest' ? 0 : from, to, messages, missed })
  }
  /** Follows the pages of a topic. */
  const readPages = async (topic: string, from: number) => {
    const to = truth.end
    const messages: Reading['messages'][number][] = []
    for (let next: number | undefined = from; next !== undefined; ) {
      const response: Response = await fetch(`${broker.httpUrl}/messages?topic=${topic}&limit=40&from=${next}`)
      const page = (await response.json()) as { message_list: { offset: number; value: string }[]; next?: number }
      expect(response.status, JSON.stringify(page)).toBe(200)
      messages.push(...page.message_list.map(({ offset, value }) => ({ offset, topic, text: value })))
      next = page.next
    }
    await finish({ reader: 'pages', wants: only(topic), from, to, messages, missed: undefined })
  }
  const keepOn = async (work: () => Promise<unknown>) => {
    for (; !stop.signal.aborted; await delay(20)) await work()
  }

  /** A durable subscriber that never gets to the end before the race is over. */
  await using behind = await connect(url, { clientId: 'behind' })
  const missed: { from: number; to: number }[] = []
  behind.on('missed', (stretch) => missed.push({ from: stretch.from, to: stretch.to }))
  const subscription = await behind.subscribe('run/#', { name: 'mine', from: 'earliest', prefetch: { messages: 50 } })
  const caught: Reading['messages'][number][] = []
  const catching = (async () => {
    for await (const message of subscription) {
      caught.push({ offset: message.offset, topic: message.topic, text: message.text })
      message.ack().catch(() => {})
      if (message.text === 'last') break
      if (caught.length % 20 === 0 && !stop.signal.aborted) await delay(random.below(100))
    }
  })()

  const racing = Promise.all([
    truth.publish(url, ['run/0', 'run/1', 'keys/0', 'run/2'], stop.signal),
    keepOn(() => read('earliest', '+/+', every, 'earliest')),
    keepOn(() => read('wildcard', 'run/#', isRun, random.below(truth.end + 1))),
    keepOn(() => read('one topic', 'run/1', only('run/1'), random.below(truth.end + 1))),
    keepOn(() => readPages('run/2', random.below(truth.end + 1))),
    keepOn(() => readPages('keys/0', 0)),
  ])
  const isRacedOut = async () =>
    truth.count > 2_000 && cleaningReport(broker).turns > 5 && logStartOf(broker.dataDirectory) > 0
  const raced = delay(RACE_MS).then(() => until('the cleaner has been at work', isRacedOut))
  await Promise.race([racing, raced]).finally(() => stop.abort())
  await racing
  await using mq = await connect(url)
  const { offset } = await mq.publish('run/0', 'last')
  truth.note({ offset, topic: 'run/0', text: 'last' })
  await catching
  await finish({ reader: 'durable', wants: isRun, from: 0, to: truth.end, messages: caught, missed })
  await read('earliest', '+/+', every, 'earliest')

  const { first, ...counts } = truth.audit(readings)
  const report = cleaningReport(broker)
  const readers = READERS.map((name) => {
    const each = readings.filter(({ reader }) => reader === name)
    return { name, times: each.length, messages: each.reduce((sum, { messages }) => sum + messages.length, 0) }
  })
  const stretches = readings.reduce((sum, each) => sum + (each.missed?.length ?? 0), 0)
  console.log(
    `readers beside the cleaner (seed ${seed}): ${truth.count} acked; ${JSON.stringify(readers)}; ${stretches} stretches missed; ${JSON.stringify(counts)}; ${JSON.stringify(report)}`,
  )
  expect(counts, `seed ${seed}; ${first}`).toEqual({ wrong: 0, outOfOrder: 0, lost: 0, untold: 0 })
  expect(report.turns, 'a race without a cleaner proves nothing').toBeGreaterThan(2)
  expect(logStartOf(broker.dataDirectory)).toBeGreaterThan(0)
  expect(stretches).toBeGreaterThan(0)
  for (const { name, messages } of readers) expect(messages, name).toBeGreaterThan(0)
})

test('the disk that messages take stays bounded by maxBytes when ten times as much is published, and a dry run says what goes', async () => {
  await using broker = await BrokerProcess.start({ args: ARGS })
  await using mq = await connect(broker.url)
  const publish = async (topic: string, count: number) => {
    const acks = await Promise.all(Array.from({ length: count }, (_, i) => mq.publish(topic, `${i} ${PADDING}`)))
    return acks.map(({ offset }) => offset)
  }
  const kept = await publish('dry/a', 500)
  await putPolicy(broker, { filter: 'big/#', maxBytes: MIB / 2 })
  const sizes: number[] = []
  for (let i = 0; i < 10; i++) {
    await publish('big/a', 500)
    await until('the log is as small as the policy says', async () => {
      sizes.push(logBytes(broker))
      return logBytes(broker) <= 500 * 1_100 + MIB / 2 + 6 * 64 * KIB
    })
  }
  const big = await readMessages(broker.url, 'big/#')
  expect(big.length * 1_000, 'and holds what the policy keeps').toBeGreaterThan(0.9 * (MIB / 2))
  expect(big.length).toBeLessThan(1_000)
  expect(await readAll(broker.url, 'dry/#'), 'no policy, nothing goes').toHaveLength(kept.length)

  const set = [
    'policy',
    'set',
    'dry/#',
    '--max-count',
    '300',
    '--http',
    broker.httpUrl.slice('http://'.length),
    '--json',
  ]
  const dry = await gomqctl(broker, [...set, '--dry-run'])
  expect(dry.code, dry.stderr).toBe(0)
  const { before, deadBytes, liveBytes } = JSON.parse(dry.stdout) as Record<
    'before' | 'deadBytes' | 'liveBytes',
    number
  >
  expect(await readAll(broker.url, 'dry/#'), 'a dry run changes nothing').toHaveLength(kept.length)
  const bytesBefore = logBytes(broker)
  expect((await gomqctl(broker, set)).code).toBe(0)
  await until('the floor has risen', async () => (await floorOf(broker, 'dry/#')) > 0)
  expect(await floorOf(broker, 'dry/#')).toBe(before)
  const left = await readMessages(broker.url, 'dry/#')
  expect(left.map(({ offset }) => offset)).toEqual(kept.filter((offset) => offset >= left[0]!.offset))
  expect(left.length).toBeGreaterThanOrEqual(150)
  // A batch that reaches above the floor stays whole.
  expect(kept.filter((offset) => offset >= before).length).toBeLessThanOrEqual(left.length)
  expect(Math.abs(liveBytes / (deadBytes + liveBytes) - left.length / kept.length), 'bytes as messages').toBeLessThan(
    0.02,
  )
  await until('the bytes have gone', async () => logBytes(broker) <= bytesBefore - 0.9 * deadBytes)
  console.log(
    `10 times 512 KiB under maxBytes of 512 KiB, beside 512 KiB that is kept: the log took at most ${(Math.max(...sizes) / MIB).toFixed(1)} MiB; dry run ${dry.stdout.trim()}`,
  )
})

test('a backup beside the cleaner has all that was acked before, and a start after cleaning works with the older snapshot and refuses without any', async () => {
  await using broker = await BrokerProcess.start({ args: ARGS })
  const { url } = broker
  await putPolicy(broker, { filter: 'run/#', maxCount: 100 })
  await putPolicy(broker, { filter: 'keys/#', isCompacted: true })
  const truth = new StoredTruth()
  const stop = new AbortController()
  const topics = ['kept/0', 'run/0', 'keys/0', 'run/1', 'run/2']
  const publishing = truth.publish(url, topics, stop.signal, 5)
  await until('the log is cleaned', async () => cleaningReport(broker).turns > 0)
  const folder = temporaryDirectory()
  const acked = truth.end
  const living = truth.offsets((topic) => topic.startsWith('kept/'))
  const lastOfKeys = truth.lastOfKeys()
  const turns = cleaningReport(broker).turns
  const backup = await gomqctl(broker, ['log', 'backup', broker.dataDirectory, join(folder, 'backup'), '--verify'])
  expect(backup, backup.stderr).toMatchObject({ code: 0 })
  await until('the cleaner goes on', async () => cleaningReport(broker).turns > turns)
  stop.abort()
  await publishing
  const restored = join(folder, 'restored')
  expect(await gomqctl(broker, ['log', 'restore', join(folder, 'backup'), restored])).toMatchObject({ code: 0 })
  {
    await using second = await BrokerProcess.start({ args: ARGS, dataDirectory: restored })
    const messages = await readMessages(second.url, '+/+')
    const reading = { reader: 'restored', wants: () => true, from: 0, messages, missed: undefined }
    const { first, ...counts } = truth.audit([{ ...reading, to: acked, floor: await floorOf(second, 'run/#') }])
    expect(counts, first).toEqual({ wrong: 0, outOfOrder: 0, lost: 0, untold: 0 })
    const there = new Set(messages.map(({ offset }) => offset as number))
    expect(
      living.filter((offset) => !there.has(offset)),
      'of what no policy takes',
    ).toEqual([])
    expect(living.length).toBeGreaterThan(50)
    const keys = messages.filter(({ key }) => key !== undefined)
    for (const [key, offset] of lastOfKeys)
      expect(
        keys.some((each) => `${each.topic} ${each.key}` === key && each.offset >= offset),
        `a value of ${key}`,
      ).toBe(true)
  }

  await until(
    'a segment is cleaned and two snapshots are there',
    async () => snapshotNames(broker.dataDirectory).length >= 2,
  )
  const expected = await contents(broker)
  await broker.kill()
  const copy = (name: string) => {
    const directory = join(folder, name)
    cpSync(broker.dataDirectory, directory, { recursive: true })
    return directory
  }
  const older = copy('older')
  flip(older, snapshotNames(older).at(-1)!)
  {
    await using second = await BrokerProcess.start({ args: ARGS, dataDirectory: older })
    expect(await contents(second), 'from the older snapshot').toEqual(expected)
    expect(second.stderr).toContain('it is damaged')
  }
  const none = copy('none')
  for (const name of snapshotNames(none)) flip(none, name)
  const refused = await BrokerProcess.start({ args: ARGS, dataDirectory: none }).catch((error: Error) => error)
  expect(String(refused)).toMatch(/CORRUPT_LOG[\s\S]*restore the snapshots, or the whole data directory, from a backup/)
  // What it says to do helps.
  cpSync(join(broker.dataDirectory, 'snapshots'), join(none, 'snapshots'), { recursive: true })
  {
    await using second = await BrokerProcess.start({ args: ARGS, dataDirectory: none })
    expect(await contents(second), 'with the snapshots put back').toEqual(expected)
  }
})

/** What there is to lose: messages that no policy takes, the last values, and what only control records or a snapshot know. */
async function contents(broker: BrokerProcess): Promise<unknown> {
  const policies = await (await fetch(`${broker.httpUrl}/v1/policies`)).json()
  const texts = await Promise.all(['kept/#', 'run/#', 'keys/#'].map((filter) => readAll(broker.url, filter)))
  const lastOfKey = new Map((await readMessages(broker.url, 'keys/#')).map(({ key, text }) => [key, text]))
  return { policies, kept: texts[0], run: texts[1]!.slice(-100), keys: lastOfKey }
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadlineMs = Date.now() + 60_000
  while (!(await condition())) {
    if (Date.now() > deadlineMs) throw new Error(`it took too long until ${what}`)
    await delay(20)
  }
}

function logBytes(broker: BrokerProcess): number {
  const sizes = segmentNames(broker.dataDirectory).map(
    (name) => statSync(join(broker.dataDirectory, 'log', name), { throwIfNoEntry: false })?.size ?? 0,
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

function snapshotNames(dataDirectory: string): string[] {
  return readdirSync(join(dataDirectory, 'snapshots'))
    .filter((name) => name.endsWith('.snapshot'))
    .sort()
}

function flip(dataDirectory: string, snapshot: string): void {
  const path = join(dataDirectory, 'snapshots', snapshot)
  const bytes = readFileSync(path)
  bytes[Math.floor(bytes.byteLength / 2)]! ^= 1
  writeFileSync(path, bytes)
}

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gomq-retention-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}
