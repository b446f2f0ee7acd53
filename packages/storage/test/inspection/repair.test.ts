import { baseOffsetOf, nextOffsetOf } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { planRepair, repairDirectory } from '../../src/inspection/repair.js'
import type { RepairPlan } from '../../src/inspection/repair-plan.js'
import { verifyDirectory } from '../../src/inspection/verification.js'
import type { Log } from '../../src/log.js'
import { loadSnapshot } from '../../src/snapshot.js'
import type { SimDisk } from '../../src/testing/sim-disk.js'
import { SMALL_SEGMENTS, segmentPaths, storedLog, withFlippedBit } from '../support/damaged-log.js'
import { diskOf, filesOf } from '../support/disk-files.js'
import { appendBatches, contentsOf, described } from '../support/log-contents.js'
import { openSimLog, settle } from '../support/open-sim-log.js'

const random = new SeededRandom(3)
const NOW_MS = Date.UTC(2026, 10, 24, 19, 10, 47)
const planOn = (disk: SimDisk) => planRepair({ fs: disk.mount(), directory: 'data', crc32 })
const repairOn = (disk: SimDisk): Promise<RepairPlan> =>
  repairDirectory({ fs: disk.mount(), directory: 'data', crc32, random, nowMs: NOW_MS })
const open = (disk: SimDisk) => openSimLog(disk, { ...SMALL_SEGMENTS, random })

/** The batches whose offsets are in none of the lost ranges. */
function without(batches: readonly Uint8Array[], lost: readonly (readonly [number, number | null])[]) {
  return batches
    .filter((batch) =>
      lost.every(([from, to]) => nextOffsetOf(batch) <= from || (to !== null && baseOffsetOf(batch) >= to)),
    )
    .map(described)
}

/** The batches of which not a byte is changed. */
function undamaged(files: Map<string, Uint8Array>, damaged: Map<string, Uint8Array>, batches: readonly Uint8Array[]) {
  const kept: Uint8Array[] = []
  for (const path of segmentPaths(files)) {
    const first = Number(/(\d{20})\.log/.exec(path)![1]) / 2
    const bytes = Buffer.from(damaged.get(path) ?? [])
    const whole = files.get(path)!
    for (let at = 0, i = first; at < whole.byteLength; at += batches[i++]!.byteLength) {
      const end = at + batches[i]!.byteLength
      if (bytes.subarray(at, end).equals(whole.subarray(at, end))) kept.push(batches[i]!)
    }
  }
  return kept.map(described)
}

const lostIn = ({ losses }: RepairPlan) => losses.flatMap(({ offsets }) => (offsets === undefined ? [] : [offsets]))

/** Nothing is served wrongly, and the log goes on. */
async function expectToGoOn(log: Log): Promise<void> {
  const before = await contentsOf(log)
  const end = log.logEndOffset
  appendBatches(log, 3)
  await settle()
  expect(log.syncedOffset).toBe(end + 6)
  expect((await contentsOf(log)).slice(0, before.length)).toEqual(before)
}

describe('a repair', () => {
  test('keeps what is before and behind damage in the middle, and its plan changes nothing', async () => {
    const { files, batches } = await storedLog()
    for (const path of [segmentPaths(files)[1]!, segmentPaths(files).at(-1)!]) {
      const damaged = withFlippedBit(files, path, 180, 1)
      const disk = diskOf(damaged)
      const plan = await planOn(disk)
      expect(await filesOf(disk)).toEqual(damaged)
      expect(plan).toMatchObject({ isNewIdentity: true, logStartOffset: 0, logEndOffset: 120 })
      expect(lostIn(plan)).toHaveLength(1)
      expect(plan.consequences.join()).toContain('never delivered')
      expect(await repairOn(disk)).toEqual(plan)
      expect((await verifyDirectory({ fs: disk.mount(), directory: 'data', crc32 })).isDamaged).toBe(false)
      const { log } = await open(disk)
      expect(await contentsOf(log)).toEqual(without(batches, lostIn(plan)))
      expect(log.logEndOffset).toBe(120)
      await expectToGoOn(log)
      await log.close()
      const [name] = path.split('/').slice(-1)
      expect(disk.bytesOf(`data/repaired-20261124T191047Z/${name}`)).toEqual(damaged.get(path))
      const again = await open(disk)
      await expectToGoOn(again.log)
      expect(disk.openHandles).toBeGreaterThan(0)
    }
  })

  test('gives a new identity when something is lost, and none when indexes and snapshots are made anew', async () => {
    const { files } = await storedLog()
    const idOf = async (disk: SimDisk) => {
      const { log } = await open(disk)
      await log.close()
      return log.storeId
    }
    const before = await idOf(diskOf(files))
    const lost = diskOf(withFlippedBit(files, segmentPaths(files)[0]!, 180))
    await repairOn(lost)
    expect(await idOf(lost)).not.toBe(before)
    for (const path of [...files.keys()].filter((path) => /index$|snapshot$/.test(path))) {
      const disk = diskOf(withFlippedBit(files, path, 60))
      const plan = await repairOn(disk)
      expect(plan).toMatchObject({ isNewIdentity: false, losses: [] })
      expect(plan.steps).toHaveLength(1)
      expect((await verifyDirectory({ fs: disk.mount(), directory: 'data', crc32 })).findings).toEqual([])
      expect(await idOf(disk)).toBe(before)
    }
  })

  test('of a whole log does nothing', async () => {
    for (const isClosed of [true, false]) {
      const { files } = await storedLog(isClosed)
      const disk = diskOf(files)
      expect(await repairOn(disk)).toMatchObject({ steps: [], losses: [], consequences: [] })
      expect(await filesOf(disk)).toEqual(files)
    }
  })

  test('of a lost end goes on behind what was known, so that no offset is given twice and the snapshots fit', async () => {
    const { files, batches } = await storedLog()
    const last = segmentPaths(files).at(-1)!
    const cut = files.get(last)!.subarray(0, 400)
    for (const damaged of [
      new Map([...files, [last, cut]]),
      new Map([...files].filter(([path]) => path !== last)),
      withFlippedBit(files, last, files.get(last)!.byteLength - 10),
    ]) {
      const disk = diskOf(damaged)
      const plan = await repairOn(disk)
      const { log } = await open(disk)
      expect(log.logEndOffset).toBe(120)
      const left = await contentsOf(log)
      expect(left).toEqual(batches.slice(0, left.length).map(described))
      expect(left.length).toBeGreaterThan(30)
      expect(plan.consequences.join()).toContain('not given out again')
      const snapshot = await loadSnapshot({ fs: disk.mount(), directory: 'data', crc32, log })
      expect(snapshot?.beginOffset).toBe(60)
      await expectToGoOn(log)
    }
  })

  test('of a segment that is gone leaves a gap', async () => {
    const { files, batches } = await storedLog()
    const [, , path, next] = segmentPaths(files)
    const base = (each: string) => Number(/(\d{20})\.log/.exec(each)![1])
    const disk = diskOf(new Map([...files].filter(([each]) => each !== path)))
    await repairOn(disk)
    const { log } = await open(disk)
    expect(await contentsOf(log)).toEqual(without(batches, [[base(path!), base(next!)]]))
  })

  test('of a damaged checkpoint keeps it, and believes the log as it is', async () => {
    const { files, batches } = await storedLog()
    const disk = diskOf(withFlippedBit(files, 'data/checkpoint', 20))
    const plan = await repairOn(disk)
    expect(plan.consequences.join()).toContain('nobody can tell')
    expect(disk.bytesOf('data/repaired-20261124T191047Z/checkpoint').byteLength).toBeGreaterThan(10)
    const { log } = await open(disk)
    expect(await contentsOf(log)).toEqual(batches.map(described))
  })

  test('that cannot be decided is refused with what to do, and changes nothing', async () => {
    const { files } = await storedLog()
    const paths = segmentPaths(files)
    const refused = async (damaged: Map<string, Uint8Array>, message: RegExp) => {
      const disk = diskOf(damaged)
      await expect(repairOn(disk)).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringMatching(message),
      })
      expect(await filesOf(disk)).toEqual(damaged)
      expect(disk.openHandles).toBe(0)
    }
    await refused(new Map([...files].filter(([path]) => !path.endsWith('.log'))), /segments are gone; restore/)
    const noState = new Map([...files].filter(([path]) => path !== paths[0] && !path.endsWith('.snapshot')))
    await refused(noState, /no snapshot holds the state at offset 30/)
    const twice = new Map(files)
    twice.set('data/log/00000000000000000000.3.log', new Uint8Array(900))
    await refused(twice, /another segment has, too/)
  })
})

describe('whatever is damaged', () => {
  const runs = process.env['GOMQ_LONG'] ? 3000 : 150

  test(`after a repair the log opens and holds exactly the undamaged batches (${runs} damages)`, async () => {
    const { files, batches } = await storedLog()
    const picks = new SeededRandom(21)
    let repaired = 0
    for (let i = 0; i < runs; i++) {
      const damaged = new Map(files)
      for (let n = 1 + picks.below(3); n > 0; n--) damage(damaged, picks)
      const disk = diskOf(damaged)
      const plan = await repairOn(disk).catch((error) => {
        expect(error.code, `run ${i}`).toBe('CORRUPT_LOG')
        expect(error.message).toMatch(/restore|move/)
        return undefined
      })
      if (plan === undefined) continue
      repaired++
      const { log } = await open(disk)
      expect(await contentsOf(log), `run ${i}`).toEqual(undamaged(files, damaged, batches))
      expect(log.logEndOffset).toBeGreaterThanOrEqual(plan.logEndOffset)
      await loadSnapshot({ fs: disk.mount(), directory: 'data', crc32, log })
      await expectToGoOn(log)
      await log.close()
      expect((await verifyDirectory({ fs: disk.mount(), directory: 'data', crc32 })).isDamaged).toBe(false)
    }
    expect(repaired).toBeGreaterThan(runs / 2)
  })

  test('a repair that is interrupted anywhere and run again ends as one that was not', async () => {
    const { files, batches } = await storedLog()
    const picks = new SeededRandom(8)
    for (let i = 0; i < runs / 10; i++) {
      const damaged = new Map(files)
      for (let n = 1 + picks.below(2); n > 0; n--) damage(damaged, picks)
      const whole = diskOf(damaged)
      const plan = await repairOn(whole).catch(() => undefined)
      if (plan === undefined) continue
      const expected = undamaged(files, damaged, batches)
      for (let operations = 1 + picks.below(12); ; operations += 1 + picks.below(25)) {
        const disk = diskOf(damaged)
        let left = operations
        disk.onOperation = () => {
          if (--left === 0) disk.crash()
        }
        const isDone = await repairOn(disk).then(
          () => true,
          () => false,
        )
        disk.onOperation = () => {}
        // A start on half a repair is refused, or the log is whole.
        const half = await filesOf(disk)
        const started = await openSimLog(diskOf(half), { ...SMALL_SEGMENTS, random }).catch((error) => error.code)
        if (typeof started === 'string') expect(started).toBe('CORRUPT_LOG')
        else {
          const contents = await contentsOf(started.log).catch((error) => error.code)
          if (contents !== 'CORRUPT_BATCH') expect(contents, `run ${i}, ${operations} operations`).toEqual(expected)
        }
        if (!isDone) await repairOn(disk)
        const { log } = await open(disk)
        expect(await contentsOf(log), `run ${i}, ${operations} operations`).toEqual(expected)
        if (isDone) break
      }
    }
  })
})

/** Damages one file: a bit, a page of zeros, its end gone, or the file gone. */
function damage(files: Map<string, Uint8Array>, picks: SeededRandom): void {
  const path = picks.pick([...files.keys()])
  const bytes = files.get(path)!.slice()
  const at = picks.below(Math.max(1, bytes.byteLength))
  const kind = picks.below(4)
  if (bytes.byteLength === 0 || kind === 0) {
    files.delete(path)
    return
  }
  if (kind === 1) bytes[at]! ^= 1 << picks.below(8)
  else if (kind === 2) bytes.fill(0, at, at + 300)
  files.set(path, kind === 3 ? bytes.subarray(0, at) : bytes)
}
