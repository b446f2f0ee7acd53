import { GomqError, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { loadSnapshot, writeSnapshot } from '../src/snapshot.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { diskOf, filesOf } from './support/disk-files.js'
import { faultyFiles } from './support/faulty-files.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'

const FLIPS = process.env['GOMQ_LONG'] ? 10_000 : 1_500
const ACTIVE = 'data/log/00000000000000000000.log'
const LARGE = { segmentBytes: 1_000_000 }

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

/** Ten acknowledged batches and then one round of three that is not: its bytes were written and no sync came back. */
async function logWithUnsyncedRound(): Promise<{
  files: Map<string, Uint8Array>
  batches: Uint8Array[]
  acked: number
}> {
  let isDead = false
  const fs = faultyFiles(disk.mount(), (call, path) => {
    if (isDead && call === 'sync' && path === ACTIVE) throw new Error('the process is gone')
  })
  const { log, synced } = await openSimLog(disk, { ...LARGE, fs })
  const batches: Uint8Array[] = []
  for (let i = 0; i < 10; i++) {
    batches.push(...appendBatches(log, 1))
    await settle()
  }
  const acked = synced()
  isDead = true
  // The first of a round is alone in it; it passes, and the others share the round that dies.
  batches.push(...appendBatches(log, 3))
  await settle()
  const files = await filesOf(disk)
  files.delete('data/sync-failed')
  return { files, batches, acked }
}

function bytesOf(batches: readonly Uint8Array[]): number {
  return batches.reduce((sum, batch) => sum + batch.byteLength, 0)
}

describe('a torn tail', () => {
  test('cut at every byte of the last three batches: the log ends at a batch, and only what was not acked is gone', async () => {
    const { log } = await openSimLog(disk, LARGE)
    const batches = appendBatches(log, 12)
    await settle()
    disk.crash()
    const files = await filesOf(disk)
    const whole = files.get(ACTIVE)!
    const ends = batches.map(
      (
        (end = 0) =>
        (batch: Uint8Array) =>
          (end += batch.byteLength)
      )(),
    )
    expect(whole.byteLength).toBe(ends.at(-1))
    const random = new SeededRandom(3)
    let cuts = 0
    for (let cut = ends[8]!; cut <= whole.byteLength; cut++) {
      const tails = [0, 1 + random.below(4096)].flatMap((length) => [
        new Uint8Array(length),
        Uint8Array.from({ length }, () => random.below(256)),
      ])
      for (const tail of tails) {
        const own = diskOf(new Map([...files, [ACTIVE, Buffer.concat([whole.subarray(0, cut), tail])]]))
        const { log: recovered } = await openSimLog(own, LARGE)
        const kept = ends.filter((end) => end <= cut).length
        expect(recovered.logEndOffset, `cut at ${cut}`).toBe(2 * kept)
        expect(await contentsOf(recovered)).toEqual(batches.slice(0, kept).map(described))
        const torn =
          Buffer.concat([whole.subarray(ends[kept - 1] ?? 0, cut), tail]).findLastIndex((byte) => byte !== 0) + 1
        expect(recovered.tornTail?.bytes ?? 0).toBe(torn)
        expect(own.bytesOf(ACTIVE).byteLength).toBe(ends[kept - 1])
        cuts++
      }
    }
    console.log(`torn tails: ${cuts} cuts`)
  })

  test('what was acknowledged is kept, and the rest of an unsynced round is kept up to its first hole', async () => {
    const { files, batches, acked } = await logWithUnsyncedRound()
    expect(acked).toBe(20)
    const whole = files.get(ACTIVE)!
    const start = bytesOf(batches.slice(0, 10))
    expect(whole.byteLength).toBeGreaterThan(start)
    for (let hole = start; hole < whole.byteLength; hole += 7) {
      const torn = whole.slice()
      torn.fill(0, hole, Math.min(hole + 64, torn.byteLength))
      const { log } = await openSimLog(diskOf(new Map([...files, [ACTIVE, torn]])), LARGE)
      expect(log.logEndOffset).toBeGreaterThanOrEqual(acked)
      const recovered = await contentsOf(log)
      expect(recovered).toEqual(batches.slice(0, recovered.length).map(described))
      const isZero = torn.subarray(bytesOf(batches.slice(0, recovered.length))).every((byte) => byte === 0)
      expect(log.tornTail?.path).toBe(isZero ? undefined : ACTIVE)
    }
  })

  test('that holds the bytes of a batch from another log, as a message, is still a tail', async () => {
    const { log } = await openSimLog(disk, LARGE)
    appendBatches(log, 5)
    await settle()
    disk.crash()
    const files = await filesOf(disk)
    const { log: other } = await openSimLog(new SimDisk(new SeededRandom(1)), LARGE)
    appendBatches(other, 500)
    await settle()
    const foreign: Uint8Array[] = []
    await other.replay(0 as Offset, (batch) => foreign.push(batch.slice()))
    const torn = Buffer.concat([files.get(ACTIVE)!, new Uint8Array(50), foreign.at(-1)!, foreign.at(-2)!])
    const { log: recovered } = await openSimLog(diskOf(new Map([...files, [ACTIVE, torn]])), LARGE)
    expect(recovered.logEndOffset).toBe(10)
  })

  test('is synced before anybody sees it', async () => {
    const { files } = await logWithUnsyncedRound()
    const own = diskOf(files)
    const { log } = await openSimLog(own, LARGE)
    const recovered = await contentsOf(log)
    for (let i = 0; i < 5; i++) {
      own.crash()
      expect(await contentsOf((await openSimLog(own, LARGE)).log)).toEqual(recovered)
    }
  })
})

describe('damage', () => {
  async function damagedLog(): Promise<{ files: Map<string, Uint8Array>; batches: Uint8Array[] }> {
    const { log } = await openSimLog(disk, { segmentBytes: 2500 })
    const batches: Uint8Array[] = []
    for (let i = 0; i < 60; i++) {
      batches.push(...appendBatches(log, 1, { topic: `t/${i % 7}` }))
      await settle()
    }
    for (const at of [20, 60]) {
      await writeSnapshot({
        fs: disk.mount(),
        directory: 'data',
        crc32,
        beginOffset: at as Offset,
        endOffset: () => (at + 10) as Offset,
        entries: [1, 2, 3].map((n) => new Uint8Array(50).fill(n)),
      })
    }
    await log.close()
    return { files: await filesOf(disk), batches }
  }

  test(`${FLIPS} flipped bits in segments, indexes, snapshots and checkpoint: found and named, or harmless; never served, never shorter`, async () => {
    const { files, batches } = await damagedLog()
    const expected = batches.map(described)
    const random = new SeededRandom(7)
    const paths = [...files.keys()]
    const counts: Record<string, number> = { harmless: 0 }
    for (let i = 0; i < FLIPS; i++) {
      const path = random.pick(paths)
      const bytes = files.get(path)!.slice()
      const position = random.below(bytes.byteLength)
      bytes[position]! ^= 1 << random.below(8)
      const own = diskOf(new Map([...files, [path, bytes]]))
      const what = `bit flipped in ${path} at byte ${position}`
      try {
        const { log } = await openSimLog(own, { segmentBytes: 2500 })
        const rejected: string[] = []
        const snapshot = await loadSnapshot({
          fs: own.mount(),
          directory: 'data',
          crc32,
          log,
          onRejected: (path) => rejected.push(path),
        })
        if (path.endsWith('60.snapshot')) {
          expect(rejected, what).toEqual([path])
          counts['snapshot'] = (counts['snapshot'] ?? 0) + 1
        }
        expect(
          snapshot!.entries.map((entry) => entry[0]),
          what,
        ).toEqual([1, 2, 3])
        expect(await contentsOf(log), what).toEqual(expected)
        expect(path, what).not.toMatch(/\.log$|checkpoint$/)
        counts['harmless']!++
      } catch (error) {
        if (!(error instanceof GomqError)) throw error
        expect(['CORRUPT_LOG', 'CORRUPT_BATCH'], what).toContain(error.code)
        expect(error.message, what).toContain(path)
        if (path.endsWith('.log')) {
          const at = Number(/at byte (\d+), where offset (\d+) /.exec(error.message)?.[1])
          expect(position, what).toBeGreaterThanOrEqual(at)
          expect(position - at, what).toBeLessThan(batches[0]!.byteLength + 10)
        }
        counts[error.code] = (counts[error.code] ?? 0) + 1
      }
    }
    expect(counts['CORRUPT_LOG']).toBeGreaterThan(0)
    expect(counts['CORRUPT_BATCH']).toBeGreaterThan(0)
    console.log(`flipped bits: ${JSON.stringify(counts)}`)
  })

  test('in the active segment with later rounds behind it is no tail: the start is refused with file, byte and offset', async () => {
    const { log } = await openSimLog(disk, LARGE)
    const batches: Uint8Array[] = []
    for (let i = 0; i < 10; i++) {
      batches.push(...appendBatches(log, 1))
      await settle()
    }
    disk.crash()
    disk.flipBit(ACTIVE, 4 * batches[0]!.byteLength + 150, 2)
    await expect(openSimLog(disk, LARGE)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining(`${ACTIVE}, at byte ${4 * batches[0]!.byteLength}, where offset 8 should begin`),
    })
    expect(disk.bytesOf(ACTIVE).byteLength, 'nothing is cut').toBe(10 * batches[0]!.byteLength)
  })

  test.each([
    [
      'an old copy of the last segment',
      (files: Map<string, Uint8Array>, last: string) => {
        files.set(last, files.get(last)!.subarray(0, 0))
      },
      /ends at offset \d+, and its checkpoint says that it was complete up to 120/,
    ],
    [
      'a last segment that is gone',
      (files: Map<string, Uint8Array>, last: string) => void files.delete(last),
      /complete up to 120/,
    ],
    [
      'a first segment that is gone',
      (files: Map<string, Uint8Array>) => void files.delete(ACTIVE),
      /begins at offset \d+, and its checkpoint says that it begins at 0/,
    ],
    [
      'a middle segment that is gone',
      (files: Map<string, Uint8Array>, last: string) => {
        const middle = [...files.keys()].filter((path) => path.endsWith('.log') && path !== last).sort()[1]!
        files.delete(middle)
      },
      /at byte \d+, where offset \d+ should begin/,
    ],
    [
      'all segments gone',
      (files: Map<string, Uint8Array>) => {
        for (const path of [...files.keys()]) if (path.endsWith('.log')) files.delete(path)
      },
      /has no segment/,
    ],
  ])('%s is noticed', async (_, damage, message) => {
    const { files } = await damagedLog()
    const last = [...files.keys()]
      .filter((path) => path.endsWith('.log'))
      .sort()
      .at(-1)!
    damage(files, last)
    const own = diskOf(files)
    await expect(openSimLog(own, { segmentBytes: 2500 })).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringMatching(message),
    })
    expect(own.openHandles).toBe(0)
  })

  test('cut off by hand at the byte that the message names: what was before it is served again, and the log goes on', async () => {
    const { files, batches } = await damagedLog()
    const paths = [...files.keys()].filter((path) => path.endsWith('.log')).sort()
    const damaged = files.get(paths[1]!)!.slice()
    damaged[200]! ^= 4
    files.set(paths[1]!, damaged)
    files.delete(paths[1]!.replace('.log', '.index'))
    const { message } = (await openSimLog(diskOf(files), { segmentBytes: 2500 }).catch((error) => error)) as GomqError
    const [, path, byte, base] = /damaged: (\S+), at byte (\d+), where offset (\d+)/.exec(message)!
    files.set(path!, damaged.subarray(0, Number(byte)))
    for (const later of paths.slice(2)) files.delete(later)
    files.delete('data/checkpoint')
    const own = diskOf(files)
    const { log } = await openSimLog(own, { segmentBytes: 2500 })
    expect(log.logEndOffset).toBe(Number(base))
    const rejected: string[] = []
    const snapshot = await loadSnapshot({
      fs: own.mount(),
      directory: 'data',
      crc32,
      log,
      onRejected: (path) => rejected.push(path),
    })
    expect([snapshot?.beginOffset, rejected]).toEqual([20, ['data/snapshots/00000000000000000060.snapshot']])
    appendBatches(log, 30)
    await settle()
    expect(await contentsOf(log)).toHaveLength(Number(base) / 2 + 30)
    expect((await contentsOf(log)).slice(0, Number(base) / 2)).toEqual(
      batches.slice(0, Number(base) / 2).map(described),
    )
  })
})
