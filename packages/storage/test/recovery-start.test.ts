import { nextOffsetOf } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FileSystem } from '../src/file-system.js'
import { encodeSealed } from '../src/format/sealed-record.js'
import { SYNC_FAILED_MARKER } from '../src/sync-marker.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { diskOf, filesOf } from './support/disk-files.js'
import { faultyFiles } from './support/faulty-files.js'
import { appendBatches, basesFrom, contentsOf, described } from './support/log-contents.js'
import { openSimLog, settle } from './support/open-sim-log.js'
import { stampedBatch } from './support/stamped-batch.js'

const ACTIVE = 'data/log/00000000000000000000.log'
const LARGE = { segmentBytes: 1_000_000 }

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

describe('a start', () => {
  test('in an empty directory, after a crash at any moment of the first start, works', async () => {
    for (let crashAt = 1; crashAt < 40; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      await openSimLog(own).catch(() => undefined)
      own.onOperation = () => undefined
      if (operations < crashAt) break
      expect((await openSimLog(own)).log.logEndOffset).toBe(0)
      expect(crashAt).toBeLessThan(39)
    }
  })

  test('removes temporary files that a crash left', async () => {
    await (await openSimLog(disk)).log.close()
    for (const name of ['00000000000000000000.log.tmp', '00000000000000000000.index.tmp', '7.tmp'])
      disk.put(`data/log/${name}`, new Uint8Array(10))
    disk.put('data/checkpoint.tmp', new Uint8Array(3))
    await openSimLog(disk)
    expect((await disk.mount().list('data/log')).filter((name) => name.endsWith('.tmp'))).toEqual([])
    expect(await disk.mount().list('data')).not.toContain('checkpoint.tmp')
  })

  test('after a failed sync writes the active segment anew, and a crash in the middle of that is harmless', async () => {
    for (let crashAt = 1, isDone = false; !isDone; crashAt++) {
      const own = new SimDisk(new SeededRandom(crashAt))
      const { log, synced } = await openSimLog(own, LARGE)
      const batches = appendBatches(log, 1)
      await settle()
      own.faults.syncsUntilError = 1
      batches.push(...appendBatches(log, 3))
      await settle()
      own.faults.syncsUntilError = undefined
      await log.close()
      expect(await own.mount().list('data')).toContain('sync-failed')
      let operations = 0
      own.onOperation = () => {
        if (++operations === crashAt) own.crash()
      }
      await openSimLog(own, LARGE).catch(() => undefined)
      own.onOperation = () => undefined
      isDone = operations < crashAt
      if (isDone) {
        expect(await own.mount().list('data')).not.toContain('sync-failed')
        own.crash()
      }
      const recovered = await contentsOf((await openSimLog(own, LARGE)).log)
      expect(2 * recovered.length).toBeGreaterThanOrEqual(synced())
      expect(recovered).toEqual(batches.slice(0, recovered.length).map(described))
    }
  })

  test('whose own sync fails is remembered by the next: what that acknowledges survives a crash', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      let isKilled = false
      const fs = faultyFiles(own.mount(), (call, path) => {
        if (isKilled && call === 'sync' && path === ACTIVE) throw new Error('the process is gone')
      })
      const killed = await openSimLog(own, { ...LARGE, fs })
      appendBatches(killed.log, 1)
      await settle()
      isKilled = true
      appendBatches(killed.log, 3)
      await settle()
      await killed.log.close()
      await own.mount().remove('data/sync-failed')

      own.faults.syncsUntilError = 1
      await expect(openSimLog(own, LARGE)).rejects.toThrow('EIO')
      own.faults.syncsUntilError = undefined

      const { log, synced } = await openSimLog(own, LARGE)
      appendBatches(log, 5)
      await settle()
      const acked = synced()
      expect(acked).toBe(log.logEndOffset)
      own.crash()
      expect((await openSimLog(own, LARGE)).log.logEndOffset).toBe(acked)
    }
  })

  test('after a kill between a failed sync and its marker, puts on disk what it finds: a crash takes nothing that it acknowledges', async () => {
    for (const zeroAheadBytes of [0, 1000]) {
      for (let seed = 1; seed <= 20; seed++) {
        const own = new SimDisk(new SeededRandom(seed))
        const options = { ...LARGE, zeroAheadBytes }
        const killed = await openSimLog(own, { ...options, fs: withoutMarker(own) })
        appendBatches(killed.log, 1)
        await settle()
        own.faults.syncsUntilError = 1
        appendBatches(killed.log, 3)
        await settle()
        await killed.log.close()
        own.faults.syncsUntilError = undefined
        expect(await own.mount().list('data')).not.toContain('sync-failed')

        const { log, synced } = await openSimLog(own, options)
        expect(log.logEndOffset).toBeGreaterThan(killed.synced())
        appendBatches(log, 5)
        await settle()
        const acked = synced()
        expect(acked).toBe(log.logEndOffset)
        own.crash()
        expect((await openSimLog(own, options)).log.logEndOffset).toBe(acked)
      }
    }
  })

  test('after a kill between a failed cut and its marker, cuts: what was truncated does not come back behind what follows', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      const fs = faultyFiles(withoutMarker(own), (call, path) => {
        if (call === 'truncate' && path === ACTIVE) own.faults.syncsUntilError = 1
      })
      const killed = await openSimLog(own, { ...LARGE, fs })
      own.faults.syncsUntilError = undefined
      const [first] = appendBatches(killed.log, 6)
      await settle()
      await expect(killed.log.truncate(nextOffsetOf(first!))).rejects.toThrow('EIO')
      await killed.log.close()
      own.faults.syncsUntilError = undefined

      const { log } = await openSimLog(own, LARGE)
      const end = log.logEndOffset
      expect(end).toBe(nextOffsetOf(first!))
      appendBatches(log, 1, { epoch: 7 })
      await settle()
      const acked = log.syncedOffset
      own.crash()
      expect((await openSimLog(own, LARGE)).log.logEndOffset).toBe(acked)
    }
  })

  test('after a kill writes the last round again, and nothing before it', async () => {
    const killed = await openSimLog(disk, LARGE)
    appendBatches(killed.log, 10)
    await settle()
    const roundAt = disk.bytesOf(ACTIVE).byteLength
    appendBatches(killed.log, 1)
    await settle()
    appendBatches(killed.log, 2)
    await settle()
    disk.locks.clear()
    const bytes = disk.bytesOf(ACTIVE)
    const written: [position: number, bytes: number][] = []
    const fs = faultyFiles(disk.mount(), (call, path, [chunks, position]) => {
      if (call !== 'writev' || path !== ACTIVE) return
      written.push([position as number, Buffer.concat(chunks as Uint8Array[]).byteLength])
    })
    await openSimLog(disk, { ...LARGE, fs })
    expect(Buffer.compare(disk.bytesOf(ACTIVE), bytes)).toBe(0)
    const [[position, length]] = written as [[number, number]]
    expect(written).toHaveLength(1)
    expect(position).toBeGreaterThan(roundAt)
    expect(position + length).toBe(bytes.byteLength)
  })

  test('takes a sealed segment at the word of its index, also if that has a long list of epochs', async () => {
    const { log } = await openSimLog(disk, { segmentBytes: 300_000 })
    let epoch = 0
    while (log.epochStarts.length < 2_000) {
      appendBatches(log, 1, { epoch: ++epoch })
      await settle()
    }
    const { epochStarts, sealedSegments } = log
    expect(sealedSegments[0]!.epochStarts.length).toBeGreaterThan(1_000)
    await log.close()
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'read' && path === sealedSegments[0]!.path) throw new Error('the segment is read')
    })
    expect((await openSimLog(disk, { segmentBytes: 300_000, fs })).log.epochStarts).toEqual(epochStarts)
  })

  test('with an index of another version, a damaged or a missing one, rebuilds it', async () => {
    const { log } = await openSimLog(disk)
    const batches = appendBatches(log, 60)
    await log.close()
    const files = await filesOf(disk)
    const path = [...files.keys()].find((path) => path.endsWith('.index'))!
    for (const bytes of [
      encodeSealed(0x58514d47, 2, ['new'], crc32),
      new Uint8Array(0),
      files.get(path)!.subarray(0, 90),
    ]) {
      const own = diskOf(new Map([...files, [path, bytes]]))
      expect(await contentsOf((await openSimLog(own)).log)).toEqual(batches.map(described))
      expect(Buffer.compare(own.bytesOf(path), files.get(path)!)).toBe(0)
    }
  })

  test('never believes an index that was there before its segment, whatever it says', async () => {
    const other = new SimDisk(new SeededRandom(2))
    const { log: twin } = await openSimLog(other)
    appendBatches(twin, 60, { topic: 'a' })
    await twin.close()
    await (await openSimLog(disk)).log.close()
    const stale = [...(await filesOf(other))].filter(([path]) => path.endsWith('.index'))
    for (const [path, bytes] of stale) disk.put(path, bytes)
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'open' && path.endsWith('.index.tmp')) throw new Error('no index is written')
    })
    const { log } = await openSimLog(disk, { fs })
    appendBatches(log, 60, { topic: 'b' })
    await log.close()
    const next = await openSimLog(disk, { tailCacheBytes: 0 })
    next.log.setHighWatermark(next.log.syncedOffset)
    expect(stale.length).toBeGreaterThan(1)
    expect(await basesFrom(next.log, 0, { wants: (topic) => topic === 'b' })).toHaveLength(60)
  })

  test('takes offsets far above 2^32', async () => {
    const base = 2 ** 52
    disk.put(`data/log/${String(base).padStart(20, '0')}.log`, new Uint8Array(0))
    const { log } = await openSimLog(disk)
    expect(log.logEndOffset).toBe(base)
    log.append(stampedBatch({ baseOffset: base, records: 3 }))
    await log.close()
    expect(await contentsOf((await openSimLog(disk)).log)).toMatchObject([[base, base + 3, expect.any(String)]])
  })
})

/** The disk for a process that is killed before it can leave the marker. */
function withoutMarker(disk: SimDisk): FileSystem {
  return faultyFiles(disk.mount(), (call, path) => {
    if (call === 'open' && path.endsWith(SYNC_FAILED_MARKER) && disk.faults.syncsUntilError !== undefined)
      throw new Error('the process is gone')
  })
}
