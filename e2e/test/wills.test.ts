import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type GomqClient } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

/** A program that connects with a will and says so, then does nothing. */
const MORTAL = `
import { connect } from '@gomq/client'
const [url, clientId] = process.argv.slice(1)
await connect(url, { clientId, will: { topic: 'deaths', value: clientId, qos: 1 } })
process.stdout.write('connected')
`

/** Starts it in a process of its own, which only a signal ends. */
async function startMortal(url: string, clientId: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--input-type=module', '-e', MORTAL, url, clientId], {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return child
}

async function end(child: ChildProcess): Promise<void> {
  child.kill('SIGKILL')
  await once(child, 'exit')
}

/** Who is reported dead, once so many are, or nothing more comes for a while. */
async function deaths(mq: GomqClient, count: number, quietMs: number): Promise<unknown[]> {
  const subscription = await mq.subscribe('deaths', { qos: 1, from: 'earliest' })
  const values: unknown[] = []
  let timer = setTimeout(() => void subscription.close(), 20_000)
  for await (const message of subscription) {
    values.push(message.value)
    clearTimeout(timer)
    timer = setTimeout(() => void subscription.close(), values.length < count ? 20_000 : quietMs)
  }
  clearTimeout(timer)
  return values
}

test('the will of a client that is killed is published once; one that leaves in order leaves none', async () => {
  await using broker = await BrokerProcess.start()
  const killed = await startMortal(broker.url, 'killed')
  const polite = await connect(broker.url, { clientId: 'polite', will: { topic: 'deaths', value: 'polite', qos: 1 } })
  await polite.close()
  await end(killed)
  const mq = await connect(broker.url)
  expect(await deaths(mq, 1, 500)).toEqual(['killed'])
  await mq.close()
})

test('kill -9 of broker and client: the next broker publishes the will once, and not that of a client that comes back', async () => {
  await using broker = await BrokerProcess.start()
  const lost = await startMortal(broker.url, 'lost')
  const loyal = await startMortal(broker.url, 'loyal')
  await broker.kill()
  await end(lost)
  await broker.restart()
  // The loyal one reconnects by itself within the time that a new broker grants.
  const mq = await connect(broker.url)
  expect(await deaths(mq, 1, 3_000)).toEqual(['lost'])
  await mq.close()
  await end(loyal)
})

test('a retained message reaches who subscribes after kill -9 of the broker, before anything live; an empty one clears it', async () => {
  await using broker = await BrokerProcess.start()
  const mq = await connect(broker.url)
  await mq.publish('state/door', 'open', { qos: 1, retain: true })
  await mq.publish('state/door', 'shut', { qos: 1, retain: true })
  await mq.publish('state/lamp', 'on', { qos: 1, retain: true })
  await broker.kill()
  await broker.restart()
  const first = await mq.subscribe('state/+')
  await mq.publish('state/door', 'live', { qos: 1 })
  const got: string[] = []
  for await (const message of first) {
    got.push(`${message.topic} ${message.text} ${message.isRetained}`)
    if (got.length === 3) break
  }
  expect(got).toEqual(['state/door shut true', 'state/lamp on true', 'state/door live false'])
  await first.close()
  await mq.publish('state/lamp', '', { qos: 1, retain: true })
  const second = await mq.subscribe('state/+')
  await second.caughtUp()
  const { value } = await second[Symbol.asyncIterator]().next()
  expect(value!.topic).toBe('state/door')
  await second.close()
  await mq.close()
})
