import { expect, test } from 'vitest'
import { type CleaningCounts, CleaningProgram } from './support/cleaning-program.js'
import { type Counts, FOUND_CLEANING_SEEDS, FOUND_SEEDS, SegmentProgram } from './support/segment-program.js'

const LONG = process.env['GOMQ_LONG']
/** GOMQ_PROGRAMS bounds a long run; block after block of seeds makes a campaign. */
const PROGRAMS = LONG ? Number(process.env['GOMQ_PROGRAMS'] ?? 20_000) : undefined
const SEGMENT_PROGRAMS = PROGRAMS ?? 250
const CLEANING_PROGRAMS = PROGRAMS ?? 200
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const TIMEOUT_MS = 36_000_000
const FAILURES_MAX = 10

/**
 * Seeds of cleaning programs that once found something; they always run. What was found in earlier forms of these programs has tests of its
 * own: zeros that found no room and were not cut for good (zeroed-ahead.test.ts), a kill between a failed sync and its marker
 * (recovery-start.test.ts).
 */
const FOUND_PROGRAMS: readonly number[] = [31_390, 40_106, 41_307, 41_934, 200_113]

test(`a log over a disk that loses what was not synced keeps what was acked and invents nothing (${SEGMENT_PROGRAMS} programs)`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const counts: Counts = { crashes: 0, insideOperations: 0, truncations: 0, cleanings: 0, advances: 0 }
  const seeds = seedsWith([...FOUND_SEEDS, ...FOUND_CLEANING_SEEDS], SEGMENT_PROGRAMS)
  await runAll(seeds, (seed) => new SegmentProgram(seed, counts).run())
  expect(counts.insideOperations).toBeGreaterThan(SEGMENT_PROGRAMS / 4)
  expect(counts.cleanings).toBeGreaterThan(SEGMENT_PROGRAMS / 4)
  console.log(`opfuzz: ${seeds.length} programs of the log, ${JSON.stringify(counts)}`)
})

test(`a log that is cleaned by changing policies, with its snapshots, over a disk that fails, fills and crashes, keeps what lives and its state (${CLEANING_PROGRAMS} programs)`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const counts: CleaningCounts = {
    crashes: 0,
    kills: 0,
    closes: 0,
    faults: 0,
    failedLogs: 0,
    truncations: 0,
    turns: 0,
    dropped: 0,
    rewritten: 0,
    gone: 0,
    snapshots: 0,
    olderTaken: 0,
    refused: 0,
    policies: 0,
    floors: 0,
  }
  const seeds = seedsWith(FOUND_PROGRAMS, CLEANING_PROGRAMS)
  await runAll(seeds, (seed) => new CleaningProgram(seed, counts).run()).finally(() =>
    console.log(`opfuzz: ${seeds.length} programs of everything, ${JSON.stringify(counts)}`),
  )
  if (CLEANING_PROGRAMS >= 100)
    for (const count of Object.values(counts)) expect(count).toBeGreaterThan(CLEANING_PROGRAMS / 50)
})

function seedsWith(found: readonly number[], programs: number): number[] {
  return [...new Set([...found, ...Array.from({ length: programs }, (_, i) => FIRST_SEED + i)])]
}

/** Runs all of them, so that a campaign names every seed that fails, up to some; the first ends a short run. */
async function runAll(seeds: readonly number[], run: (seed: number) => Promise<void>): Promise<void> {
  const failures: Error[] = []
  for (const seed of seeds) {
    try {
      await run(seed)
    } catch (error) {
      const text = error instanceof Error ? error.stack : String(error)
      failures.push(new Error(`GOMQ_SEED=${seed}: ${text}`, { cause: error }))
      if (!LONG || failures.length === FAILURES_MAX) break
      console.log(`GOMQ_SEED=${seed}: ${text}`)
    }
  }
  if (failures.length > 0) throw failures[0]
}
