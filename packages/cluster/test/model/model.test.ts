import { describe, expect, it } from 'vitest'
import { applyFault, BEHIND } from './faults.js'
import { World } from './world.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const SEED = process.env['GOMQ_SEED']
const SEEDS = Number(process.env['GOMQ_SEEDS'] ?? (LONG ? 500 : 4))
/** Seeds that failed once, for either number of replicas. */
const REGRESSIONS = [1, 2, 4, 127, 1128, 5126]
const seeds =
  SEED === undefined
    ? [...new Set([...REGRESSIONS, ...Array.from({ length: SEEDS }, (_, i) => i + 1)])]
    : Array.from({ length: LONG ? SEEDS : 1 }, (_, i) => Number(SEED) + i)

describe.each([3, 5])('%i replicas through crashes, pauses, partitions and an etcd that fails', (replicas) => {
  it(
    'lose nothing that was acknowledged, commit one history, and go on when all is healed',
    async () => {
      const failures: string[] = []
      const sums = { steps: 0, acked: 0, faults: 0, reigns: 0, behind: 0 }
      for (const seed of seeds) {
        const outcome = await new World(seed, replicas).run(applyFault)
        if (outcome.failure !== undefined) failures.push(`seed ${seed}: ${outcome.failure}`)
        sums.steps += outcome.steps
        sums.acked += outcome.acked
        sums.faults += outcome.faults
        sums.reigns += outcome.reigns
        sums.behind += outcome.counts[BEHIND] ?? 0
      }
      if (LONG || SEED !== undefined) console.log(replicas, seeds.length, sums)
      expect(failures).toEqual([])
      // A run in which nothing is acknowledged proves nothing.
      expect(sums.acked).toBeGreaterThan(30 * seeds.length)
      expect(sums.behind).toBeGreaterThan(0)
    },
    LONG ? 3_600_000 : 60_000,
  )
})
