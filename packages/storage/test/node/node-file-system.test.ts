import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { afterEach, expect, test } from 'vitest'
import { openLog } from '../../src/log.js'
import { nodeFileSystem } from '../../src/node/node-file-system.js'
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

test('a log on the real disk: rolled, closed, truncated across segments, read again', async () => {
  const directory = `${await temporary()}/data`
  const open = async () => {
    let onSynced: (offset: number) => unknown = () => undefined
    const log = await openLog({
      fs: nodeFileSystem(),
      directory,
      crc32,
      random: new SeededRandom(1),
      segmentBytes: 20_000,
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
