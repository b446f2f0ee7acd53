import { describe, expect, it } from 'vitest'
import { applyFault } from './faults.js'
import { PLANTS } from './plants.js'
import { World } from './world.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const ONLY = process.env['GOMQ_PLANT'] ?? ''
const FIRST = Number(process.env['GOMQ_SEED'] ?? 1)
const SEEDS = Number(process.env['GOMQ_SEEDS'] ?? 300)

/** The rules whose absence a few seeds show, and with how many replicas. The others show themselves once in hundreds, or have tests of their own. */
const SOON: { readonly [rule: string]: number } = {
  'R4 off at members: confirmed before it is synced': 3,
  'R4 off at the leader: it counts what it has not synced': 3,
  'R6 off: the set may shrink below f + 1': 3,
  'R10 off: a wiped disk keeps its identity': 3,
  'R13 off: members cut at their high watermark': 3,
  'R13 off: histories are compared by their length': 5,
  'R19 off: anybody may be elected': 3,
}

/** The first seed that catches a rule's absence, and how. */
async function firstToCatch(rule: string, replicas: number, first: number, count: number): Promise<string | undefined> {
  for (let seed = first; seed < first + count; seed++) {
    const { failure } = await new World(seed, replicas, PLANTS[rule]).run(applyFault)
    if (failure !== undefined) return `seed ${seed}: ${failure}`
  }
  return undefined
}

describe('a rule that is switched off is caught', () => {
  if (LONG)
    it.each(Object.keys(PLANTS).filter((rule) => rule.includes(ONLY)))(
      '%s: the first seeds',
      async (rule) => {
        for (const replicas of [3, 5]) {
          const found = (await firstToCatch(rule, replicas, FIRST, SEEDS)) ?? `not in ${SEEDS} seeds`
          console.log(`${rule}: n=${replicas}: ${found}`)
        }
      },
      3_600_000,
    )
  else
    it.each(Object.entries(SOON))('%s', async (rule, replicas) => {
      expect(await firstToCatch(rule, replicas, 1, 60)).toBeDefined()
    })
})
