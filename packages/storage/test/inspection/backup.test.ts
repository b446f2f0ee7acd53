import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import type { FileSystem } from '../../src/file-system.js'
import { backUp } from '../../src/inspection/backup.js'
import { planRepair } from '../../src/inspection/repair.js'
import { restore, verifyBackup } from '../../src/inspection/restore.js'
import { verifyDirectory } from '../../src/inspection/verification.js'
import { replicaRecordStore } from '../../src/replication/replica-record.js'
import { loadSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { SMALL_SEGMENTS, segmentPaths, storedLog, withFlippedBit } from '../support/damaged-log.js'
import { diskOf } from '../support/disk-files.js'
import { appendBatches, contentsOf, described } from '../support/log-contents.js'
import { openSimLog, settle } from '../support/open-sim-log.js'

const random = new SeededRandom(5)
const backupOf = (fs: FileSystem, directory = 'data') =>
  backUp({ fs, directory, target: 'backup', crc32, random, nowMs: 1_700_000_000_000 })
const restoreOn = (fs: FileSystem, directory = 'restored') =>
  restore({ fs, backup: 'backup', directory, crc32, random })

describe('a backup', () => {
  test('of a stopped broker holds the whole log and the snapshots, and a restore of it starts under a new identity', async () => {
    const { files, batches } = await storedLog()
    const disk = diskOf(files)
    const fs = disk.mount()
    const manifest = await backupOf(fs)
    expect(manifest).toMatchObject({ logStartOffset: 0, logEndOffset: 120, createdAtMs: 1_700_000_000_000 })
    // The first start of a copy reads its active segment as a whole.
    const activeIndex = `${segmentPaths(files).at(-1)!.slice(5, -4)}.index`
    const copied = [...files.keys()].map((path) => path.slice(5)).filter((name) => name !== activeIndex)
    expect(manifest.files.map(({ name }) => name).sort()).toEqual(copied.sort())
    expect((await verifyDirectory({ fs, directory: 'backup', crc32 })).findings).toEqual([])
    expect(await restoreOn(fs)).toEqual(manifest)
    expect((await verifyDirectory({ fs, directory: 'restored', crc32 })).findings).toEqual([])
    const ids = new Set<string>()
    for (const directory of ['data', 'backup', 'restored']) {
      const { log } = await openSimLog(disk, { ...SMALL_SEGMENTS, directory })
      ids.add(log.storeId)
      expect(await contentsOf(log)).toEqual(batches.map(described))
      const snapshot = await loadSnapshot({ fs, directory, crc32, log })
      expect(snapshot?.beginOffset).toBe(60)
      await log.close()
    }
    expect(ids.size).toBe(3)
    expect(disk.openHandles).toBe(0)
  })

  test('has no replica record, nor has what is restored from it: a copy is another replica; one that is being filled is refused', async () => {
    const { files } = await storedLog()
    const disk = diskOf(files)
    const fs = disk.mount()
    const record = { clusterUuid: 'c', epoch: 3 as never, coordinatorId: 'e', coordinatorRevision: 7, isFilling: true }
    const store = replicaRecordStore({ fs, directory: 'data', crc32 })
    await store.save(record)
    await expect(backupOf(fs)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    expect((await verifyDirectory({ fs, directory: 'data', crc32 })).findings).toEqual([])
    await expect(planRepair({ fs, directory: 'data', crc32 })).rejects.toThrow('is being filled')
    await store.save({ ...record, isFilling: false })
    expect((await backupOf(fs)).files.map(({ name }) => name)).not.toContain('replica')
    await restoreOn(fs)
    expect(await fs.list('restored')).not.toContain('replica')
    expect((await verifyDirectory({ fs, directory: 'data', crc32 })).findings).toEqual([])
    disk.put('data/replica', disk.bytesOf('data/replica').fill(0, 20, 24))
    expect((await verifyDirectory({ fs, directory: 'data', crc32 })).findings).toMatchObject([
      { severity: 'damage', file: 'replica' },
    ])
  })

  test('of a broker that writes meanwhile is a prefix that holds everything acknowledged before', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const order = new SeededRandom(seed)
      const disk = new SimDisk(order)
      const { log, synced } = await openSimLog(disk, { ...SMALL_SEGMENTS, zeroAheadBytes: seed % 2 === 0 ? 1500 : 0 })
      const batches = appendBatches(log, 1 + order.below(40))
      await settle()
      const acked = synced()
      let left = 60
      // Operations of the disk and appends take turns in any order.
      disk.onOperation = async () => {
        await Promise.resolve()
        if (left > 0 && order.chance(0.3)) {
          left--
          batches.push(...appendBatches(log, 1 + order.below(3)))
        }
        for (let i = order.below(6); i > 0; i--) await Promise.resolve()
      }
      const fs = disk.mount()
      const { logEndOffset } = await backupOf(fs)
      expect(logEndOffset, `seed ${seed}`).toBeGreaterThanOrEqual(acked)
      disk.onOperation = () => {}
      await verifyBackup({ fs, backup: 'backup', crc32 })
      disk.crash()
      await restoreOn(disk.mount())
      const { log: restored } = await openSimLog(disk, { ...SMALL_SEGMENTS, directory: 'restored' })
      const contents = await contentsOf(restored)
      expect(contents, `seed ${seed}`).toEqual(batches.slice(0, contents.length).map(described))
      expect(restored.logEndOffset).toBe(logEndOffset)
    }
  })

  test('is refused when the log is damaged, with place and what to do', async () => {
    const { files } = await storedLog()
    for (const path of [segmentPaths(files)[1]!, segmentPaths(files).at(-1)!]) {
      const fs = diskOf(withFlippedBit(files, path, 160)).mount()
      await expect(backupOf(fs)).rejects.toMatchObject({
        code: 'CORRUPT_LOG',
        message: expect.stringContaining(path),
      })
      await expect(restoreOn(fs)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    }
  })

  test('leaves a damaged snapshot out and a damaged index to be made anew', async () => {
    const { files } = await storedLog()
    for (const path of [...files.keys()].filter((path) => /60\.snapshot|index$/.test(path))) {
      const disk = diskOf(withFlippedBit(files, path, 50))
      const { files: copied } = await backupOf(disk.mount())
      expect(copied.map(({ name }) => name)).not.toContain(path.slice(5))
      await restoreOn(disk.mount())
      const { log } = await openSimLog(disk, { ...SMALL_SEGMENTS, directory: 'restored' })
      expect(log.logEndOffset).toBe(120)
    }
  })

  test('that was interrupted anywhere is never taken for one', async () => {
    const { files } = await storedLog()
    let isDone = false
    for (let operations = 1; !isDone; operations += 7) {
      const disk = diskOf(files)
      let left = operations
      disk.onOperation = () => {
        if (--left === 0) disk.crash()
      }
      isDone = await backupOf(disk.mount()).then(
        () => true,
        () => false,
      )
      disk.onOperation = () => {}
      const fs = disk.mount()
      if (isDone) expect(await restoreOn(fs)).toMatchObject({ logEndOffset: 120 })
      else {
        const whole = await restoreOn(fs).catch((error) => error.code)
        if (typeof whole === 'string') expect(['INVALID_ARGUMENT', 'CORRUPT_LOG']).toContain(whole)
        else expect(whole).toMatchObject({ logEndOffset: 120 })
      }
    }
  })

  test('survives a crash as soon as it is made', async () => {
    const { files } = await storedLog()
    for (let i = 0; i < 10; i++) {
      const disk = diskOf(files)
      await backupOf(disk.mount())
      disk.crash()
      await verifyBackup({ fs: disk.mount(), backup: 'backup', crc32 })
    }
  })

  test('goes into an empty directory only, and comes from a data directory', async () => {
    const { files } = await storedLog()
    const fs = diskOf(new Map([...files, ['backup/x', new Uint8Array(1)]])).mount()
    await expect(backupOf(fs)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(backupOf(fs, 'none')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('a restore', () => {
  async function backedUp(): Promise<SimDisk> {
    const disk = diskOf((await storedLog()).files)
    await backupOf(disk.mount())
    return disk
  }

  test('finds any flipped bit of the backup', async () => {
    const disk = await backedUp()
    const picks = new SeededRandom(9)
    const names = (await verifyBackup({ fs: disk.mount(), backup: 'backup', crc32 })).files.map(({ name }) => name)
    for (let i = 0; i < 60; i++) {
      const path = `backup/${picks.pick([...names, 'backup-manifest'])}`
      const position = picks.below(disk.bytesOf(path).byteLength)
      disk.flipBit(path, position, 3)
      const fs = disk.mount()
      await expect(verifyBackup({ fs, backup: 'backup', crc32 }), path).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      await expect(restoreOn(fs, `restored-${i}`), path).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
      disk.flipBit(path, position, 3)
    }
  })

  test('that was interrupted anywhere leaves a directory on which no log opens, or a whole one', async () => {
    const disk = await backedUp()
    for (let operations = 1; operations < 400; operations += 5) {
      const directory = `restored-${operations}`
      let left = operations
      disk.onOperation = () => {
        if (--left === 0) disk.crash()
      }
      const isDone = await restoreOn(disk.mount(), directory).then(
        () => true,
        () => false,
      )
      disk.onOperation = () => {}
      const names = await disk.mount().list(directory)
      const outcome = await openSimLog(disk, { ...SMALL_SEGMENTS, directory }).then(
        ({ log }) => log.logEndOffset,
        (error) => error.code,
      )
      if (isDone || names.includes('checkpoint')) expect([120, 'CORRUPT_LOG'], directory).toContain(outcome)
      if (isDone) return
    }
    throw new Error('the restore never came to its end')
  })

  test('goes into an empty directory only', async () => {
    const disk = await backedUp()
    await expect(restoreOn(disk.mount(), 'data')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})
