import { baseOffsetOf, offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { REPLAY_BYTES } from '../src/limits.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { appendBatches, contentsOf, described } from './support/log-contents.js'
import { openSimLog } from './support/open-sim-log.js'

const SEGMENT_BYTES = 3 * 1024 * 1024
const BATCHES = 60

/** A log of some 18 MB on a disk, whose process was killed, and what was appended. */
async function killedLog(): Promise<{ disk: SimDisk; appended: [number, number, string][] }> {
  const disk = new SimDisk(new SeededRandom(1))
  const { log, synced } = await openSimLog(disk, { segmentBytes: SEGMENT_BYTES })
  const appended: [number, number, string][] = []
  for (let i = 0; i < BATCHES; i++) {
    appended.push(...appendBatches(log, 1, { valueBytes: 150_000 }).map(described))
    while (synced() < log.logEndOffset) await new Promise(setImmediate)
  }
  disk.crash()
  return { disk, appended }
}

describe('a replay', () => {
  test('of a log of any length puts batches into the same memory again, and shows each as it was appended', async () => {
    const { disk, appended } = await killedLog()
    const { log } = await openSimLog(disk, { segmentBytes: SEGMENT_BYTES })
    const memory = new Set<ArrayBufferLike>()
    const seen: [number, number, string][] = []
    await log.replay(offset(0), (batch) => {
      // The first two steps of 4 MiB show how much is needed.
      if (seen.length > BATCHES / 2) memory.add(batch.buffer)
      seen.push(described(batch))
    })
    expect(seen).toEqual(appended)
    expect([...memory].map((buffer) => buffer.byteLength)).toEqual([REPLAY_BYTES, REPLAY_BYTES])
  })

  test('ends at a batch that is damaged, which is named, and visits nothing of the same step', async () => {
    const { disk, appended } = await killedLog()
    const { log } = await openSimLog(disk, { segmentBytes: SEGMENT_BYTES })
    const batchBytes = appended[0]![2].length / 2 + 48
    disk.flipBit(`data/log/${String(0).padStart(20, '0')}.log`, 5 * batchBytes + 1000, 1)
    const visited: number[] = []
    const replay = log.replay(offset(0), (batch) => visited.push(baseOffsetOf(batch)))
    await expect(replay).rejects.toMatchObject({
      code: 'CORRUPT_BATCH',
      message: expect.stringContaining('offset 10 '),
    })
    expect(visited).toEqual([])
    await log.close()
  })

  test('of a segment that was scanned after a kill shows what was appended, over several pieces of the scan', async () => {
    const disk = new SimDisk(new SeededRandom(1))
    const { log, synced } = await openSimLog(disk, { segmentBytes: 64 * 1024 * 1024 })
    const appended = appendBatches(log, 40, { valueBytes: 170_001 }).map(described)
    while (synced() < log.logEndOffset) await new Promise(setImmediate)
    disk.crash()
    const { log: recovered } = await openSimLog(disk, { segmentBytes: 64 * 1024 * 1024 })
    expect(recovered.sealedSegments).toEqual([])
    expect(await contentsOf(recovered)).toEqual(appended)
  })
})
