import { baseOffsetOf, nextOffsetOf, type Offset, recordCountOf } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { openSimLog, type SimLog, settle } from '../support/open-sim-log.js'
import { stampedBatch } from '../support/stamped-batch.js'

const SEEDS = process.env['GOMQ_LONG'] ? 20_000 : 300
const FIRST_SEED = Number(process.env['GOMQ_SEED'] ?? 1)
const STEPS = 60

/** The dumb twin: every batch that was appended, and nothing cleverer. */
interface Twin {
  batches: { base: number; next: number; bytes: Uint8Array }[]
}

test(`a log over a disk that loses what was not synced keeps what was acked and invents nothing (${SEEDS} programs)`, {
  timeout: 3_600_000,
}, async () => {
  let crashes = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      crashes += await runProgram(seed)
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error })
    }
  }
  console.log(`opfuzz: ${SEEDS} programs, ${crashes} crashes with recovery`)
})

async function runProgram(seed: number): Promise<number> {
  const random = new SeededRandom(seed)
  const disk = new SimDisk(random)
  disk.onOperation = () => (random.chance(0.3) ? settleSome(random.below(5)) : undefined)
  const twin: Twin = { batches: [] }
  let acked = 0
  let committed = 0
  let crashes = 0
  let epoch = 1
  let open = await openSimLog(disk)
  for (let step = 0; step < STEPS; step++) {
    const operation = random.below(100)
    if (operation < 50) appendSome(open, twin, random, epoch)
    else if (operation < 60) await settle()
    else if (operation < 70) {
      committed = open.synced() > committed ? committed + random.below(open.synced() - committed + 1) : committed
      committed = floorToBatch(twin, committed)
      if (committed > open.log.highWatermark) open.log.setHighWatermark(committed as Offset)
    } else if (operation < 82) await readSome(open, twin, random)
    else if (operation < 88) {
      await truncateSome(open, twin, random)
      acked = Math.min(acked, open.log.logEndOffset)
    } else if (operation < 92) {
      await open.log.close()
      acked = open.log.logEndOffset
      open = await reopen(disk, twin, acked)
      epoch++
    } else {
      acked = Math.max(open.synced(), acked)
      disk.crash()
      crashes++
      open = await reopen(disk, twin, acked)
      epoch++
    }
    committed = Math.max(committed, open.log.highWatermark)
    acked = Math.max(acked, open.synced())
  }
  return crashes
}

async function reopen(disk: SimDisk, twin: Twin, acked: number): Promise<SimLog> {
  const open = await openSimLog(disk)
  const { log } = open
  expect(log.logEndOffset, 'what was acked is there').toBeGreaterThanOrEqual(acked)
  const stored: Uint8Array[] = []
  await log.replay(log.logStartOffset, (batch) => stored.push(batch.slice()))
  let end = 0
  for (const [i, batch] of stored.entries()) {
    const expected = twin.batches[i]
    expect(expected, 'nothing is there that was never appended').toBeDefined()
    expect(baseOffsetOf(batch)).toBe(expected!.base)
    // The storage's own stamp (the header before byte 48) may differ; what the producer wrote may not.
    expect(Buffer.compare(batch.subarray(48), expected!.bytes.subarray(48))).toBe(0)
    end = nextOffsetOf(batch)
  }
  expect(end).toBe(log.logEndOffset)
  twin.batches = twin.batches.slice(0, stored.length)
  log.setHighWatermark(log.syncedOffset)
  return open
}

function appendSome(open: SimLog, twin: Twin, random: SeededRandom, epoch: number): void {
  for (let i = random.below(6); i >= 0; i--) {
    const batch = stampedBatch({
      baseOffset: open.log.logEndOffset,
      records: 1 + random.below(5),
      valueBytes: 10 + random.below(random.chance(0.05) ? 6000 : 300),
      topic: random.pick(['a', 'b', 'c/d']),
      appendTimeMs: open.log.lastAppendTimeMs + random.below(3),
      epoch,
    })
    twin.batches.push({ base: baseOffsetOf(batch), next: nextOffsetOf(batch), bytes: batch.slice() })
    open.log.append(batch)
  }
}

async function readSome(open: SimLog, twin: Twin, random: SeededRandom): Promise<void> {
  const to = open.log.highWatermark
  const from = random.below(to + 1)
  const topic = random.chance(0.5) ? random.pick(['a', 'b', 'c/d', 'none']) : undefined
  const seen: number[] = []
  for (let at = from; at < to; ) {
    const { batches, nextOffset } = await open.log.read({
      from: at as Offset,
      bytesMax: 1 + random.below(3000),
      ...(topic !== undefined && { wants: (name: string) => name === topic }),
    })
    expect(nextOffset, 'a reader always advances').toBeGreaterThan(at)
    for (const batch of batches) seen.push(baseOffsetOf(batch), recordCountOf(batch))
    at = nextOffset
  }
  const expected = twin.batches
    .filter((batch) => batch.next > from && batch.base < to && (topic === undefined || topicIn(batch.bytes) === topic))
    .flatMap((batch) => [batch.base, batch.next - batch.base])
  expect(seen).toEqual(expected)
}

async function truncateSome(open: SimLog, twin: Twin, random: SeededRandom): Promise<void> {
  const candidates = twin.batches.filter((batch) => batch.base >= open.log.highWatermark)
  if (candidates.length === 0) return
  const to = random.pick(candidates).base
  await open.log.truncate(to as Offset)
  open.handleTruncated(to)
  twin.batches = twin.batches.filter((batch) => batch.base < to)
  expect(open.log.logEndOffset).toBe(to)
}

function topicIn(batch: Uint8Array): string {
  return Buffer.from(batch.subarray(104, 104 + batch[50]!)).toString()
}

function floorToBatch(twin: Twin, offset: number): number {
  let floor = 0
  for (const batch of twin.batches) if (batch.next <= offset) floor = batch.next
  return floor
}

async function settleSome(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve()
}
