import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { baseOffsetOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { afterEach, expect, test } from 'vitest'
import { openLog } from '../../src/log.js'
import { nodeFileSystem } from '../../src/node/node-file-system.js'
import { writeCleaned } from '../support/clean-segments.js'
import { fileSystemSuite } from '../support/file-system-suite.js'
import { appendBatches, basesFrom, contentsOf, described } from '../support/log-contents.js'

const roots: string[] = []
afterEach(async () => {
  for (const root of roots.splice(0)) await rm(root, { recursive: true })
})

async function temporary(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'gomq-storage-'))
  roots.push(root)
  return root
}

fileSystemSuite('the real disk', async () => ({ fs: nodeFileSystem(), root: `${await temporary()}/r` }))

async function openOn(directory: string, segmentBytes = 20_000) {
  let onSynced: (offset: number) => unknown = () => undefined
  const log = await openLog({
    fs: nodeFileSystem(),
    directory,
    crc32,
    random: new SeededRandom(1),
    segmentBytes,
    tailCacheBytes: 0,
    onSynced: (offset) => onSynced(offset),
    onFailure: (error) => {
      throw error
    },
  })
  const synced = (to: number) =>
    new Promise<void>((resolve) => {
      onSynced = (offset) => offset >= to && resolve()
    })
  return { log, synced }
}

test('a log on the real disk: rolled, closed, truncated across segments, read again', async () => {
  const directory = `${await temporary()}/data`
  const open = () => openOn(directory)
  const first = await open()
  const batches = appendBatches(first.log, 3000)
  await first.synced(6000)
  await first.log.close()
  const second = await open()
  expect(await contentsOf(second.log)).toEqual(batches.map(described))
  await second.log.truncate(1000 as Offset)
  const whenSynced = second.synced(1400)
  batches.splice(500, batches.length, ...appendBatches(second.log, 200, { topic: 'new' }))
  await whenSynced
  second.log.setHighWatermark(1400 as Offset)
  expect(await basesFrom(second.log, 0, { wants: (topic) => topic === 'new', bytesMax: 100_000 })).toHaveLength(200)
  await second.log.close()
  const third = await open()
  expect(await contentsOf(third.log)).toEqual(batches.map(described))
  await third.log.close()
  expect(await nodeFileSystem().list(directory)).toEqual(expect.arrayContaining(['checkpoint', 'log']))
  expect((await readFile(`${directory}/checkpoint`)).subarray(0, 4).toString()).toBe('GMQC')
})

test('a log on the real disk is cleaned, and its start moves, while readers go on; the files that are left are those that count', async () => {
  const directory = `${await temporary()}/data`
  const { log, synced } = await openOn(directory, 4000)
  const batches = appendBatches(log, 600)
  await synced(1200)
  log.setHighWatermark(log.syncedOffset)
  const stay = batches.map(baseOffsetOf).filter((base) => base % 8 === 0)
  let isDone = false
  const reader = async (seed: number) => {
    const random = new SeededRandom(seed)
    let reads = 0
    for (; !isDone; reads++) {
      const from = log.logStartOffset + 2 * random.below((log.highWatermark - log.logStartOffset) / 2)
      const found = await basesFrom(log, from, { bytesMax: 1 + random.below(30_000) }).catch((error) => error)
      if (found instanceof Error) expect(found).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' })
      else expect(found.filter((base: number) => base % 8 === 0)).toEqual(stay.filter((base) => base >= from))
    }
    return reads
  }
  const readers = [1, 2, 3].map(reader)
  for (let first = 0; first < 20; first += 2) {
    const views = log.sealedSegments.slice(first / 2, first / 2 + 2)
    const keeps = (batch: Uint8Array) => baseOffsetOf(batch) % 8 === 0
    const { cleaned } = await writeCleaned(nodeFileSystem(), log, views, keeps, `${directory}/log`)
    await log.replaceSegments(cleaned)
  }
  await log.advanceStart(log.sealedSegments[3]!.baseOffset)
  isDone = true
  for (const reads of await Promise.all(readers)) expect(reads).toBeGreaterThan(0)
  const contents = await contentsOf(log)
  const { logStartOffset, sealedSegments } = log
  expect(sealedSegments.slice(0, 7).every((view) => view.generation === 1)).toBe(true)
  await log.close()
  const next = await openOn(directory, 4000)
  expect(await contentsOf(next.log)).toEqual(contents)
  expect([next.log.logStartOffset, next.log.sealedSegments]).toEqual([logStartOffset, sealedSegments])
  const files = (await nodeFileSystem().list(`${directory}/log`)).filter((name) => name.endsWith('.log'))
  expect(files).toHaveLength(sealedSegments.length + 1)
  await next.log.close()
})
