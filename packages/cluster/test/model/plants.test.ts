import { describe, expect, it } from 'vitest'
import { PLANTS } from './plants.js'
import { World } from './world.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const ONLY = process.env['GOMQ_PLANT'] ?? ''
const FIRST = Number(process.env['GOMQ_SEED'] ?? 1)
const SEEDS = Number(process.env['GOMQ_SEEDS'] ?? 300)

/** For each rule one seed that catches it; found with GOMQ_LONG=1, which looks for the first. */
const CAUGHT_BY: { readonly [rule: string]: readonly [replicas: number, seed: number] } = {}

describe('a rule that is switched off is caught', () => {
  if (LONG)
    it.each(Object.keys(PLANTS).filter((rule) => rule.includes(ONLY)))(
      '%s: the first seeds',
      async (rule) => {
        const firsts: string[] = []
        for (const replicas of [3, 5]) {
          let seed = FIRST
          let failure: string | undefined
          for (; failure === undefined && seed < FIRST + SEEDS; seed++)
            failure = (await new World(seed, replicas, PLANTS[rule]).run()).failure
          firsts.push(
            failure === undefined ? `n=${replicas}: not in ${SEEDS}` : `n=${replicas}: seed ${seed - 1}: ${failure}`,
          )
        }
        console.log(`${rule}\n  ${firsts.join('\n  ')}`)
      },
      3_600_000,
    )
  else
    it.each(Object.entries(CAUGHT_BY))('%s', async (rule, [replicas, seed]) => {
      expect((await new World(seed, replicas, PLANTS[rule]).run()).failure).toBeDefined()
    })
})
