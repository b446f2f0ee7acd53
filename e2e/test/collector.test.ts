import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

/** Collections of the young generation that are looked at. */
const COLLECTIONS = 10

test('a broker that serves waits for no helper when it collects the young generation', async () => {
  await using broker = await BrokerProcess.start({ nodeArgs: ['--trace-gc', '--trace-gc-nvp'] })
  const helpersMs = () => {
    const ready = broker.printed.findIndex((line) => line.startsWith('gomq ready'))
    const collections = broker.printed.slice(ready).filter((line) => line.includes(' gc=s '))
    return collections.map((line) => Number(/ background\.scavenge\.parallel=([\d.]+)/.exec(line)?.[1]))
  }
  await using mq = await connect(broker.url)
  const value = new Uint8Array(1024)
  while (helpersMs().length < COLLECTIONS)
    await Promise.all(Array.from({ length: 500 }, (_, i) => mq.publish(`load/${i}`, value)))
  expect(helpersMs().every((ms) => ms === 0)).toBe(true)
})

test('a broker with a small heap marks it no more than once for each 32 MiB that are published', async () => {
  await using broker = await BrokerProcess.start({ nodeArgs: ['--trace-gc', '--trace-gc-nvp'] })
  await using mq = await connect(broker.url)
  const values = Array.from({ length: 4096 }, () => new Uint8Array(1024))
  const portions = 48
  for (let i = 0; i < portions; i++) await mq.publishAll('load', values)
  const marked = broker.printed.filter((line) => line.includes(' gc=mc '))
  expect(marked.length).toBeLessThanOrEqual((portions * 4) / 32)
  expect(
    broker.printed.some((line) => line.includes(' gc=s ')),
    'the broker tells of its collections',
  ).toBe(true)
})
