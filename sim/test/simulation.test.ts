import { readFileSync } from 'node:fs'
import { crc32 } from '@gomq/protocol/node'
import { expect, it } from 'vitest'
import { settle } from '../src/node/settle.js'
import { simulate } from '../src/simulation.js'

const SEEDS = process.env['GOMQ_LONG'] === '1' ? 3_000 : 12

/** Seeds that once failed: a number, then what it showed. They were found without an operator. */
const kept = readFileSync(new URL('../seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => /^\d/.test(line))
  .map((line) => Number.parseInt(line, 10))

async function run(seed: number, steps = 150, isGoverned = true) {
  const { violations, trace, traceHash, counts } = await simulate({ seed, steps, crc32, settle, isGoverned })
  const message = `seed ${seed}: ${JSON.stringify(violations.slice(0, 5))}\n${trace.slice(-20).join('\n')}`
  expect(violations, message).toEqual([])
  return { traceHash, counts }
}

it('the same seed gives the same run, another seed another', async () => {
  const hashOf = async (seed: number) => (await simulate({ seed, steps: 100, crc32, settle })).traceHash
  const first = await hashOf(7)
  expect(await hashOf(7)).toBe(first)
  expect(await hashOf(8)).not.toBe(first)
})

it('promises hold over crashes, cuts, stalls, full disks, restarts, take-overs and policies', {
  timeout: 3_600_000,
}, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) await run(seed)
})

it('a will is owed too by a client that never heard that the broker has taken it in', async () => {
  const faults = ['half-open', 'stall', 'disk-full', 'cut', 'slow-disk']
  const { violations } = await simulate({ seed: 9120, steps: 400, crc32, settle, faults })
  expect(violations).toEqual([])
})

it('seeds that once found a bug find none', async () => {
  for (const seed of kept) await run(seed, 400, false)
})
