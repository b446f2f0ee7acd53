import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { baseOffsetOf, offset, RETENTION_DEFAULTS } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { createWorkerCleaner, nodeFileSystem, type WorkerCleaner } from '@gomq/storage/node'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createCleaner } from '../../src/cleaning/cleaner.js'
import type { CleaningRules } from '../../src/cleaning/rules.js'
import type { Log } from '../../src/log.js'
import { openLog } from '../../src/open-log.js'
import { stampedBatch } from '../support/stamped-batch.js'

const SEGMENT_BYTES = 20_000

let directory: string
let log: Log
let cleaner: WorkerCleaner

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'gomq-cleaner-'))
  log = await open()
  cleaner = createWorkerCleaner({ segmentBytes: SEGMENT_BYTES, pauseMs: 0 })
})

afterEach(async () => {
  await cleaner.close()
  await log.close()
  await rm(directory, { recursive: true })
})

async function open(): Promise<Log> {
  const opened = await openLog({
    fs: nodeFileSystem(),
    directory,
    crc32,
    random: { next: () => 0.5 },
    segmentBytes: SEGMENT_BYTES,
    // What is in memory is read from there, cleaned or not.
    tailCacheBytes: 0,
    onSynced: () => undefined,
    onFailure: (error) => {
      throw error
    },
  })
  opened.setHighWatermark(opened.logEndOffset)
  return opened
}

/** Appends batches of one message each, of topic `a` but every tenth of `b`, and commits them. */
async function append(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const baseOffset = log.logEndOffset
    log.append(stampedBatch({ baseOffset, topic: baseOffset % 10 === 0 ? 'b' : 'a' }))
  }
  while (log.syncedOffset < log.logEndOffset) await new Promise((resolve) => setTimeout(resolve, 1))
  log.setHighWatermark(log.syncedOffset)
}

function rulesFor(before: number, maxCount: number | null = null): CleaningRules {
  return {
    rules: [{ policy: { ...RETENTION_DEFAULTS, filter: 'a', maxCount }, before: offset(before) }],
    pinned: Float64Array.of(7),
    cleanableTo: log.highWatermark,
    nowMs: 1_000_000,
  }
}

async function bases(): Promise<number[]> {
  const found: number[] = []
  await log.replay(log.logStartOffset, (batch) => found.push(baseOffsetOf(batch)))
  return found
}

test('a cleaner in its own thread finds and removes what one in this thread would, while the log is appended to', async () => {
  await append(900)
  const local = createCleaner({ fs: nodeFileSystem(), crc32, segmentBytes: SEGMENT_BYTES })
  for (const maxCount of [300, 100]) {
    const surveyed = await cleaner.survey(log, rulesFor(0, maxCount))
    expect(surveyed).toEqual(await local.survey(log, rulesFor(0, maxCount)))
    expect(surveyed.floors).toHaveLength(1)
    await append(50)
  }
  const before = await bases()
  const cleaning = cleaner.clean(log, rulesFor(850), 1e9)
  await append(20)
  const result = await cleaning
  expect(result.segmentsRewritten).toBeGreaterThan(3)
  const end = log.sealedSegments.findLast(({ generation }) => generation > 0)!.endOffset
  expect(end).toBeGreaterThan(500)
  const after = await bases()
  expect(after.filter((base) => base < end)).toEqual(
    before.filter((base) => base < end && (base % 10 === 0 || base === 7 || base >= 850)),
  )
  expect(after.filter((base) => base >= end)).toHaveLength(1020 - end)
  await log.close()
  log = await open()
  expect(await bases()).toEqual(after)
})

test('damage comes back with its place, and a file that is gone with the code of the system', async () => {
  await append(300)
  const { path, endOffset } = log.sealedSegments[0]!
  const intact = await readFile(path)
  await writeFile(
    path,
    intact.map((byte, at) => (at === 5000 ? byte ^ 1 : byte)),
  )
  const rules = { ...rulesFor(endOffset - 1), pinned: new Float64Array(0) }
  const { damages } = await cleaner.clean(log, rules, 1e9)
  expect(damages).toMatchObject([{ file: path, byte: 4958, offset: 37, message: expect.stringContaining('damaged') }])
  expect(log.sealedSegments[0]).toMatchObject({ path, generation: 0 })
  await cleaner.close()
  cleaner = createWorkerCleaner({ segmentBytes: SEGMENT_BYTES, pauseMs: 0 })
  await rm(path)
  await expect(cleaner.survey(log, rules)).rejects.toMatchObject({ code: 'ENOENT' })
  await writeFile(path, intact)
  expect((await cleaner.clean(log, rules, 1e9)).segmentsRewritten).toBeGreaterThan(0)
})

test('closing ends the work under way with CLOSED, and leaves a log that opens again and that another cleaner goes on with', async () => {
  await append(900)
  const slow = createWorkerCleaner({ segmentBytes: SEGMENT_BYTES, pauseMs: 50 })
  const cleaning = slow.clean(log, rulesFor(850), 1e9).then(
    () => 'done',
    (error) => error.code,
  )
  await new Promise((resolve) => setTimeout(resolve, 300))
  await Promise.all([slow.close(), slow.close()])
  expect(await cleaning).toBe('CLOSED')
  await expect(slow.survey(log, rulesFor(0))).rejects.toMatchObject({ code: 'CLOSED' })
  await log.close()
  log = await open()
  const before = await bases()
  expect((await cleaner.clean(log, rulesFor(850), 1e9)).segmentsRewritten).toBeGreaterThan(0)
  const after = await bases()
  expect(after.length).toBeLessThan(before.length)
  expect(after.filter((base) => base % 10 === 0)).toEqual(before.filter((base) => base % 10 === 0))
})

test('a cleaner that was never used is closed at once', async () => {
  const unused = createWorkerCleaner()
  await unused.close()
  await expect(unused.clean(log, rulesFor(0), 0)).rejects.toMatchObject({ code: 'CLOSED' })
})
