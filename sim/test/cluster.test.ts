import { readFileSync } from 'node:fs'
import { crc32 } from '@gomq/protocol/node'
import { expect, it } from 'vitest'
import { settle } from '../src/node/settle.js'
import type { Plant } from '../src/plant.js'
import { simulate } from '../src/simulation.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const SEEDS = LONG ? 1_000 : 3
const STEPS = LONG ? 1_200 : 250

/** Seeds that once failed: seed, brokers, steps, then what it showed. */
const kept = readFileSync(new URL('../cluster-seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\d/.test(line))
  .map((line) => line.split(' ').slice(0, 3).map(Number) as [number, number, number])

async function run(seed: number, brokers: number, steps: number, plant: Plant | null = null, isGoverned = true) {
  return simulate({ seed, steps, brokers, crc32, settle, plant, isGoverned })
}

async function expectSound(seed: number, brokers: number, steps: number, isGoverned = true) {
  const { violations, trace, counts } = await run(seed, brokers, steps, null, isGoverned)
  const message = `seed ${seed}: ${JSON.stringify(violations.slice(0, 5))}\n${trace.slice(-20).join('\n')}`
  expect(violations, message).toEqual([])
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

const PLANTS = [
  ['early-confirmations', /committed is on f\+1 disks/],
  ['unsynced-leader', /committed is on f\+1 disks/],
  ['no-truncation', /one committed prefix/],
  ['unclean-election', /who leads has all that committed/],
] as const

it.each(LONG ? PLANTS : PLANTS.slice(0, 3))(
  "a cluster with the planted bug '%s' is caught within three seeds",
  { timeout: 600_000 },
  async (plant, expected) => {
    const found: string[] = []
    for (let seed = 1; seed <= 3; seed++) {
      found.push(...(await run(seed, 3, seed === 3 ? 700 : 600, plant)).violations.map(({ invariant }) => invariant))
      if (found.some((invariant) => expected.test(invariant))) return
    }
    expect(found).toContainEqual(expect.stringMatching(expected))
  },
)
