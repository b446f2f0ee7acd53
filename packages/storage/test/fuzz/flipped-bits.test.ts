import { GomqError, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { repairDirectory } from '../../src/inspection/repair.js'
import { verifyDirectory } from '../../src/inspection/verification.js'
import { loadSnapshot } from '../../src/snapshot.js'
import { cleanSegments } from '../support/clean-segments.js'
import { SMALL_SEGMENTS, storedLog, withFlippedBit } from '../support/damaged-log.js'
import { diskOf, filesOf } from '../support/disk-files.js'
import { contentsOf } from '../support/log-contents.js'
import { openSimLog } from '../support/open-sim-log.js'

const FLIPS = process.env['GOMQ_LONG'] ? 10_000 : 300
/** Each so many damaged logs are repaired, too. */
const REPAIRED_EVERY = 5

/** The files of a log whose first segments were cleaned: every third batch is left in them. */
async function cleanedLog() {
  const disk = diskOf((await storedLog()).files)
  const { log } = await openSimLog(disk, SMALL_SEGMENTS)
  log.setHighWatermark(log.logEndOffset)
  await log.requireSnapshotFrom(60 as Offset)
  let count = 0
  await cleanSegments(disk.mount(), log, 0, 2, () => count++ % 3 === 0)
  const contents = await contentsOf(log)
  await log.close()
  return { files: await filesOf(disk), contents }
}

test(`${FLIPS} flipped bits over all files, cleaned segments too: refused, or rebuilt, and each is named; never a wrong message, never a shorter log`, {
  timeout: 3_600_000,
}, async () => {
  const { files, contents } = await cleanedLog()
  expect([...files.keys()].some((path) => /\.1\.log$/.test(path))).toBe(true)
  const random = new SeededRandom(Number(process.env['GOMQ_SEED'] ?? 17))
  const paths = [...files.keys()]
  const counts: Record<string, number> = {}
  const count = (what: string) => {
    counts[what] = (counts[what] ?? 0) + 1
  }
  for (let i = 0; i < FLIPS; i++) {
    const path = random.pick(paths)
    const position = random.below(files.get(path)!.byteLength)
    const damaged = withFlippedBit(files, path, position, random.below(8))
    const what = `flip ${i}: ${path} at byte ${position}`

    const { findings, isDamaged } = await verifyDirectory({ fs: diskOf(damaged).mount(), directory: 'data', crc32 })
    expect(isDamaged, what).toBe(true)
    const named = findings.filter(({ severity }) => severity !== 'harmless')
    expect(
      named.map(({ file }) => `data/${file}`),
      what,
    ).toContain(path)
    for (const { bytes } of named)
      if (bytes !== undefined && bytes[1] > bytes[0]) {
        expect(position, what).toBeGreaterThanOrEqual(bytes[0])
        expect(position, what).toBeLessThan(bytes[1])
      }

    const outcome = await readOutcome(damaged, contents, what)
    count(`${/[^.]*$/.exec(path)![0].replace('data/', '')} ${outcome}`)
    if (outcome !== 'harmless')
      expect(
        named.some(({ severity }) => severity === 'damage'),
        what,
      ).toBe(true)

    if (i % REPAIRED_EVERY === 0) {
      const disk = diskOf(damaged)
      // Control records below its begin were cleaned away: without it there is no state.
      if (path.endsWith('60.snapshot')) {
        const repair = repairDirectory({ fs: disk.mount(), directory: 'data', crc32, random, nowMs: i })
        await expect(repair, what).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
        count('repair refused')
        continue
      }
      const { losses } = await repairDirectory({ fs: disk.mount(), directory: 'data', crc32, random, nowMs: i })
      const lost = losses.flatMap(({ offsets }) => (offsets === undefined ? [] : [offsets]))
      const { log } = await openSimLog(disk, { ...SMALL_SEGMENTS, random })
      const left = contents.filter(([base, next]) =>
        lost.every(([from, to]) => next <= from || (to !== null && base >= to)),
      )
      expect(left.length, what).toBeGreaterThanOrEqual(contents.length - 1)
      expect(await contentsOf(log), what).toEqual(left)
      expect((await loadSnapshot({ fs: disk.mount(), directory: 'data', crc32, log }))?.beginOffset, what).toBe(60)
      count('repaired')
    }
  }
  console.log(`flipped bits: ${JSON.stringify(counts)}`)
})

/** What a start and a read of everything come to: refused with the place, or all of it is there. */
async function readOutcome(
  damaged: Map<string, Uint8Array>,
  contents: readonly unknown[],
  what: string,
): Promise<string> {
  const disk = diskOf(damaged)
  try {
    const { log } = await openSimLog(disk, SMALL_SEGMENTS)
    await loadSnapshot({ fs: disk.mount(), directory: 'data', crc32, log })
    expect(await contentsOf(log), what).toEqual(contents)
    return 'harmless'
  } catch (error) {
    if (!(error instanceof GomqError)) throw error
    expect(['CORRUPT_LOG', 'CORRUPT_BATCH'], what).toContain(error.code)
    return error.code
  }
}
