import { baseOffsetOf, GomqError, type Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { SimDisk } from '../src/testing/sim-disk.js'
import { cleanSegments } from './support/clean-segments.js'
import { diskOf, filesOf } from './support/disk-files.js'
import { appendBatches, contentsOf } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'

const CLEANED = 'data/log/00000000000000000006.1.log'
const INDEX = 'data/log/00000000000000000006.1.index'
const COLD = { segmentBytes: 1000, tailCacheBytes: 0 }

let files: Map<string, Uint8Array>
let batches: Uint8Array[]
let contents: object[]
/** Where the batches that are left begin in the cleaned file, and its end. */
let positions: number[]

beforeAll(async () => {
  const disk = new SimDisk(new SeededRandom(1))
  const { log } = await openSimLog(disk, COLD)
  batches = []
  for (let i = 0; i < 24; i++) {
    batches.push(...appendBatches(log, 1, { epoch: 1 + Math.floor(i / 5), valueBytes: 100 }))
    await settle()
  }
  log.setHighWatermark(log.syncedOffset)
  const keeps = (batch: Uint8Array) => baseOffsetOf(batch) % 4 === 0
  await cleanSegments(disk.mount(), log, 1, 4, keeps)
  contents = await contentsOf(log)
  await log.close()
  files = await filesOf(disk)
  const left = batches.filter((batch) => baseOffsetOf(batch) >= 6 && baseOffsetOf(batch) < 24 && keeps(batch))
  let end = files.get(CLEANED)!.byteLength - left.reduce((sum, batch) => sum + batch.byteLength, 0)
  positions = [end, ...left.map((batch) => (end += batch.byteLength))]
  expect(positions).toHaveLength(5)
})

/** Starts over these files with other ones in place of some; undefined removes. */
async function start(changed: Record<string, Uint8Array | undefined>) {
  const all = new Map(files)
  for (const [path, bytes] of Object.entries(changed)) {
    if (bytes === undefined) all.delete(path)
    else all.set(path, bytes)
  }
  const disk = diskOf(all)
  const { log } = await openSimLog(disk, COLD)
  return { disk, log }
}

describe('a cleaned segment', () => {
  test('cut at any byte, with its index or without, is refused with file, byte and offset, and nothing is changed', async () => {
    const whole = files.get(CLEANED)!
    const recordBytes = 16 + Buffer.from(whole).readUInt32LE(12)
    for (let bytes = 0; bytes < whole.byteLength; bytes++) {
      const cut = whole.subarray(0, bytes)
      const isHeadCut = bytes < recordBytes
      const at = isHeadCut ? 0 : Math.max(positions[0]!, positions.findLast((position) => position <= bytes) ?? 0)
      const index = bytes % 2 === 0 ? files.get(INDEX) : undefined
      const error = await start({ [CLEANED]: cut, [INDEX]: index }).catch((error) => error)
      expect(error, `cut at ${bytes}`).toBeInstanceOf(GomqError)
      expect(error.code).toBe('CORRUPT_LOG')
      expect(error.message).toContain(`${CLEANED}, at byte ${at}, where offset `)
    }
  })

  test('that lost a batch in the middle, or has more behind its end, is refused where it differs', async () => {
    const whole = files.get(CLEANED)!
    const [first, second, third] = positions as [number, number, number]
    const lost = Buffer.concat([whole.subarray(0, second), whole.subarray(third)])
    await expect(start({ [CLEANED]: lost })).rejects.toThrow(`at byte ${lost.byteLength}, where offset 22 should begin`)
    const doubled = Buffer.concat([whole, whole.subarray(first, second)])
    await expect(start({ [CLEANED]: doubled })).rejects.toThrow(`at byte ${whole.byteLength}, where offset 22 `)
    const padded = Buffer.concat([lost, new Uint8Array(third - second)])
    await expect(start({ [CLEANED]: padded, [INDEX]: undefined })).rejects.toThrow(`at byte ${lost.byteLength}, where`)
    const other = Buffer.concat([
      whole.subarray(0, third),
      whole.subarray(second, third),
      whole.subarray(positions[3]!),
    ])
    await expect(start({ [CLEANED]: other, [INDEX]: undefined })).rejects.toThrow(`at byte ${third}, where offset 14 `)
  })

  test('with any bit of its head flipped is refused, unless it is one of the zeros behind it, which nobody reads', async () => {
    const whole = files.get(CLEANED)!
    const recordBytes = 16 + Buffer.from(whole).readUInt32LE(12)
    for (let bit = 0; bit < 8 * positions[0]!; bit++) {
      const flipped = whole.slice()
      flipped[bit >> 3]! ^= 1 << (bit & 7)
      const started = await start({ [CLEANED]: flipped }).then(
        ({ log }) => contentsOf(log),
        (error) => error.code,
      )
      if (bit < 8 * recordBytes) expect(started, `bit ${bit}`).toBe('CORRUPT_LOG')
      else expect(started).toEqual(contents)
    }
  })

  test('with a flipped bit in a batch never serves it: found by the start without an index, by the reader with one', async () => {
    const whole = files.get(CLEANED)!
    for (let at = positions[0]!; at < whole.byteLength; at += 7) {
      const flipped = whole.slice()
      flipped[at]! ^= 4
      await expect(start({ [CLEANED]: flipped, [INDEX]: undefined })).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      const { log } = await start({ [CLEANED]: flipped })
      const position = positions.findLast((position) => position <= at)!
      await expect(contentsOf(log)).rejects.toMatchObject({
        code: 'CORRUPT_BATCH',
        message: expect.stringContaining(`${CLEANED}, at byte ${position}, where offset `),
      })
    }
  })

  test('under the name of another base or generation is refused', async () => {
    for (const name of ['00000000000000000006.2.log', '00000000000000000012.1.log', '00000000000000000007.1.log'])
      await expect(start({ [CLEANED]: undefined, [`data/log/${name}`]: files.get(CLEANED)! })).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringContaining(`${name}, at byte 0`),
      })
  })

  test('that is gone leaves a gap that nothing explains, and a neighbour that is gone too', async () => {
    const message = /where offset 6 should begin/
    await expect(start({ [CLEANED]: undefined })).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringMatching(message),
    })
    await expect(start({ 'data/log/00000000000000000024.log': undefined })).rejects.toThrow(
      `${CLEANED} ends at byte ${positions.at(-1)}, where offset 24 should begin in the next segment, and that begins at offset 30`,
    )
    await expect(start({ 'data/log/00000000000000000000.log': undefined })).rejects.toThrow('begins at offset 6')
  })

  test('at the end of the log, where the one behind it is gone, is refused; without a checkpoint the log goes on there', async () => {
    const behind = Object.fromEntries(
      [...files.keys()]
        .filter((path) => /\d{20}\.log$/.test(path) && !path.endsWith('0.log'))
        .map((path) => [path, undefined]),
    )
    const gone = { ...behind, 'data/log/00000000000000000030.log': undefined }
    await expect(start(gone)).rejects.toThrow(`where offset 24 should begin in a segment that is gone`)
    const { log, disk } = await start({ ...gone, 'data/checkpoint': undefined })
    expect([log.logStartOffset, log.logEndOffset, (await contentsOf(log)).length]).toEqual([0, 24, 7])
    appendBatches(log, 3)
    await log.close()
    expect(await contentsOf((await openSimLog(disk, COLD)).log)).toHaveLength(10)
  })

  test('that covers a part of another one only: neither is believed', async () => {
    const cleanedDisk = async (base: number, end: number) => {
      const disk = diskOf(files)
      const { log } = await openSimLog(disk, COLD)
      log.setHighWatermark(log.syncedOffset)
      const bases = log.sealedSegments.map((view) => view.baseOffset)
      await cleanSegments(disk.mount(), log, bases.indexOf(base as Offset), bases.indexOf(end as Offset), () => false)
      await log.close()
      return filesOf(disk)
    }
    const one = await cleanedDisk(6, 30)
    const other = await cleanedDisk(24, 36)
    const theirs = [...other].filter(([path]) => path.includes('24.1.'))
    expect(theirs).toHaveLength(2)
    await expect(openSimLog(diskOf(new Map([...one, ...theirs])), COLD)).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining(
        'where offset 30 should begin in the next segment, and that begins at offset 24',
      ),
    })
  })
})
