import { readFileSync } from 'node:fs'
import { crc32 } from '@gomq/protocol/node'
import { expect, it } from 'vitest'
import { settle } from '../../src/node/settle.js'
import { simulate } from '../../src/simulation.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const SEEDS = LONG ? 1_000 : 3
const STEPS = LONG ? 1_200 : 250

/** Seeds that once failed: seed, brokers, steps, then what it showed. */
const kept = readFileSync(new URL('../../cluster-seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\d/.test(line))
  .map((line) => line.split(' ').slice(0, 3).map(Number) as [number, number, number])

async function run(seed: number, brokers: number, steps: number, isGoverned = true) {
  return simulate({ seed, steps, brokers, crc32, settle, isGoverned })
}

async function expectSound(seed: number, brokers: number, steps: number, isGoverned = true) {
  const { violations, trace, counts } = await run(seed, brokers, steps, isGoverned)
  const message = `seed ${seed}: ${JSON.stringify(violations.slice(0, 5))}\n${trace.slice(-20).join('\n')}`
  expect(violations, message).toEqual([])
  // Nothing escapes between two steps of the world.
  expect(counts['inspections']).toBeGreaterThanOrEqual(counts['events']!)
  return counts
}

it('the same seed gives the same cluster, another seed another', async () => {
  const first = await run(7, 3, 60)
  expect((await run(7, 3, 60)).traceHash).toBe(first.traceHash)
  expect((await run(8, 3, 60)).traceHash).not.toBe(first.traceHash)
})

it('a cluster keeps its promises over crashes, pauses, partitions, wiped disks and a coordinator that fails', {
  timeout: 36_000_000,
}, async () => {
  let acked = 0
  let publishes = 0
  for (const brokers of [3, 5])
    for (let seed = 1; seed <= (brokers === 3 ? SEEDS : Math.ceil(SEEDS / 3)); seed++) {
      const counts = await expectSound(seed, brokers, STEPS, seed % 3 !== 0)
      acked += counts['ok']!
      publishes += counts['ok']! + counts['info']!
    }
  // A run in which nothing succeeds proves nothing.
  expect(acked / publishes).toBeGreaterThan(0.4)
})

it('seeds of a cluster that once found a bug find none', { timeout: 600_000 }, async () => {
  for (const [seed, brokers, steps] of LONG ? kept : kept.slice(0, 1)) await expectSound(seed, brokers, steps)
})
