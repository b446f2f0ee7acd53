import { crc32 } from '@gomq/protocol/node'
import { describe, expect, it } from 'vitest'
import { settle } from '../../src/node/settle.js'
import { CLUSTER_PLANTS, type Plant } from '../../src/plant.js'
import { hunt } from '../../src/plant-hunt.js'
import { simulate } from '../../src/simulation.js'

const LONG = process.env['GOMQ_LONG'] === '1'
const SEED = 1
const SEEDS_MAX = 2
const STEPS = 300

/** What brings a planted bug to light. */
interface Expected {
  /** Faults that bring it to light, if any are needed: those that arrange who leads. */
  readonly faults: readonly string[]
  readonly invariant: RegExp
}

const DEPOSED = ['leader deposed unawares']
const LEFT_BEHIND = ['left behind and alone']

/** The bugs of a cluster, and one of clients: what a leader has not answered is sent to the next one. */
const PLANTS = [...CLUSTER_PLANTS, 'no-dedupe'] as const satisfies readonly Plant[]

const EXPECTED: { readonly [plant in (typeof PLANTS)[number]]: Expected } = {
  'early-confirmations': { faults: [], invariant: /committed is on f\+1 disks/ },
  // It shows only where one member is away: else both others have what the leader has not.
  'unsynced-leader': {
    faults: ['power fails behind a member', 'crash', 'kill', 'stop'],
    invariant: /committed is on f\+1 disks/,
  },
  // The member that follows both is told by one of them that it has lost what it had confirmed.
  'no-epoch-check': {
    faults: DEPOSED,
    invariant: /the broker goes on|committed is on f\+1 disks|one committed prefix/,
  },
  'stale-in-sync-set': { faults: LEFT_BEHIND, invariant: /who leads has all that committed/ },
  'no-truncation': { faults: DEPOSED, invariant: /committed is on f\+1 disks|one committed prefix/ },
  'unclean-election': { faults: LEFT_BEHIND, invariant: /who leads has all that committed/ },
  'no-dedupe': { faults: ['lease revoked early'], invariant: /no duplicates/ },
}

const options = { seed: SEED, steps: STEPS, brokers: 3, crc32, settle }

describe('a planted bug of a cluster', () => {
  it.each(PLANTS)(`'%s' is caught within ${SEEDS_MAX} seeds of ${STEPS} steps`, { timeout: 600_000 }, async (plant) => {
    const { faults, invariant } = EXPECTED[plant]
    const found = await hunt(plant, SEEDS_MAX, { ...options, faults })
    expect(found?.caught.invariant).toMatch(invariant)
  })

  if (LONG)
    it.each(CLUSTER_PLANTS)(
      "'%s' is caught within 40 seeds of 600 steps, among all other faults",
      { timeout: 3_600_000 },
      async (plant) => {
        expect(await hunt(plant, 40, { ...options, steps: 600 })).toBeDefined()
      },
    )
})

describe('without a planted bug', () => {
  it.each([DEPOSED, LEFT_BEHIND])("'%s' breaks nothing", { timeout: 600_000 }, async (name) => {
    const { violations, faults } = await simulate({ ...options, faults: [name] })
    expect(violations).toEqual([])
    expect(faults[name]).toBeGreaterThan(0)
  })
})
