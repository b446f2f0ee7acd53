import { crc32 } from '@gomq/protocol/node'
import { expect, it } from 'vitest'
import { settle } from '../src/node/settle.js'
import { PLANTS } from '../src/plant.js'
import { simulate } from '../src/simulation.js'

const SEEDS_MAX = 12

const EXPECTED: { readonly [plant in (typeof PLANTS)[number]]: RegExp } = {
  'unsynced-acks': /no lost write|one value per offset|nothing above what survives/,
  'no-dedupe': /no duplicates/,
  'skipped-offset': /no skipped message/,
  'lost-acks': /confirmed acks are final/,
  unpinned: /retained is the newest/,
  'wide-floor': /no lost write/,
  'high-floors': /no lost write/,
  'beyond-snapshot': /the broker goes on|no duplicates|policies stay|no lost write/,
}

for (const plant of PLANTS) {
  it(`a broker or client with the planted bug '${plant}' is caught within ${SEEDS_MAX} seeds`, async () => {
    const found: string[] = []
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const { violations } = await simulate({ seed, steps: 200, crc32, settle, plant })
      found.push(...violations.map((violation) => violation.invariant))
      if (found.some((invariant) => EXPECTED[plant].test(invariant))) return
    }
    expect(found).toContainEqual(expect.stringMatching(EXPECTED[plant]))
  })
}
