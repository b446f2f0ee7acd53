import type { Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import type { FileSystem } from '../src/file-system.js'
import { SNAPSHOT_WALK_FLUSH_BYTES } from '../src/limits.js'
import { loadSnapshot, type SnapshotSource, writeSnapshot } from '../src/snapshot.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'

const log = (start: number, end: number) => ({ logStartOffset: start as Offset, logEndOffset: end as Offset })
const WHOLE = log(0, 1_000_000)
const bytesOf = (n: number, length = 10) => new Uint8Array(length).fill(n)

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

const write = (begin: number, options: Partial<SnapshotSource> = {}, fs: FileSystem = disk.mount()) =>
  writeSnapshot({
    fs,
    directory: 'data',
    crc32,
    beginOffset: begin as Offset,
    endOffset: () => (begin + 5) as Offset,
    entries: [bytesOf(begin & 255)],
    ...options,
  })
const load = (held = WHOLE, rejected: string[] = [], from = disk) =>
  loadSnapshot({
    fs: from.mount(),
    directory: 'data',
    crc32,
    log: held,
    onRejected: (path, reason) => rejected.push(`${path}: ${reason}`),
  })
const names = () => disk.mount().list('data/snapshots')

describe('a snapshot', () => {
  test('gives back every entry, of any size, and where to replay from', async () => {
    const entries = [
      new Uint8Array(0),
      bytesOf(7, 3_000_000),
      ...Array.from({ length: 3000 }, (_, i) => bytesOf(i & 255, i % 50)),
    ]
    await write(42, { entries })
    const loaded = await load()
    expect(loaded!.beginOffset).toBe(42)
    expect(loaded!.entries.map((entry) => Buffer.from(entry).toString('hex'))).toEqual(
      entries.map((entry) => Buffer.from(entry).toString('hex')),
    )
  })

  test('none and a log from the start: replay all of it', async () => {
    expect(await load()).toBeUndefined()
  })

  test('two are kept, the newest counts', async () => {
    for (const begin of [10, 20, 30, 30, 40]) await write(begin)
    expect((await names()).sort()).toEqual(['00000000000000000030.snapshot', '00000000000000000040.snapshot'])
    expect((await load())!.beginOffset).toBe(40)
  })

  test('pauses between slices: by the clock, or every 1,000 entries without one', async () => {
    let pauses = 0
    const pause = async () => void pauses++
    await write(1, { entries: Array.from({ length: 2500 }, () => bytesOf(1)), pause })
    expect(pauses).toBe(2)
    let nowMs = 0
    await write(2, { entries: Array.from({ length: 100 }, () => bytesOf(1)), pause, nowMs: () => (nowMs += 0.1) })
    expect(pauses - 2).toBeGreaterThan(5)
  })

  test('no slice works longer than 1 ms and what its last entry takes, whatever the entries take, and between two slices others have their turn', async () => {
    for (const isWholeMs of [false, true]) {
      const random = new SeededRandom(3)
      let nowMs = 1000
      let sliceBeganMs = nowMs
      let lastTookMs = 0
      const slices: number[] = []
      const endSlice = () => {
        const workedMs = nowMs - sliceBeganMs
        slices.push(workedMs)
        expect(workedMs - lastTookMs).toBeLessThanOrEqual(1)
      }
      function* entries() {
        for (let i = 0; i < 3_000; i++) {
          lastTookMs = random.chance(0.01) ? 3 : random.below(100) / 1000
          nowMs += lastTookMs
          yield bytesOf(1, random.below(100))
        }
      }
      await write(1, {
        entries: entries(),
        nowMs: () => (isWholeMs ? Math.floor(nowMs) : nowMs),
        pause: async () => {
          endSlice()
          nowMs += random.below(5)
          sliceBeganMs = nowMs
        },
      })
      endSlice()
      expect(slices.length).toBeGreaterThan(100)
      expect((await load())!.entries).toHaveLength(3_000)
    }
  })

  test('little of it waits to be written at a time, whatever its size', async () => {
    const entries = Array.from({ length: 2_000 }, (_, i) => bytesOf(i & 255, 1_000))
    const written: number[] = []
    const fs = faultyFiles(disk.mount(), (call, _path, [chunks]) => {
      if (call !== 'writev') return
      written.push((chunks as readonly Uint8Array[]).reduce((sum, chunk) => sum + chunk.byteLength, 0))
    })
    await write(5, { entries }, fs)
    expect(Math.max(...written)).toBeLessThan(SNAPSHOT_WALK_FLUSH_BYTES + 1_100)
    expect((await load())?.entries).toHaveLength(2_000)
  })

  test('a crash at any operation leaves the older one whole, or the new one', async () => {
    for (let seed = 1; seed < 150; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      await write(10, {}, own.mount())
      let left = 1 + (seed % 12)
      own.onOperation = () => {
        if (--left === 0) own.crash()
      }
      await write(20, { entries: [bytesOf(20, 5000)] }, own.mount()).catch(() => undefined)
      own.onOperation = () => undefined
      own.crash()
      const rejected: string[] = []
      expect([10, 20]).toContain((await load(WHOLE, rejected, own))?.beginOffset)
      expect(rejected).toEqual([])
    }
  })

  test('that finds no room leaves no file behind', async () => {
    await write(10)
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'writev' && path.includes('snapshots')) throw systemError('ENOSPC')
    })
    await expect(write(20, {}, fs)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await names()).toEqual(['00000000000000000010.snapshot'])
  })
})

describe('a snapshot that cannot be used', () => {
  test('any flipped bit or cut puts it aside, and the older one is taken', async () => {
    await write(10)
    await write(20)
    const path = 'data/snapshots/00000000000000000020.snapshot'
    const whole = disk.bytesOf(path)
    const damaged: Uint8Array[] = [...Array(8 * whole.byteLength).keys()].map((bit) => {
      const bytes = whole.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      return bytes
    })
    for (let bytes = 0; bytes < whole.byteLength; bytes++) damaged.push(whole.subarray(0, bytes))
    damaged.push(Buffer.concat([whole, new Uint8Array(1)]))
    for (const bytes of damaged) {
      disk.put(path, bytes)
      const rejected: string[] = []
      expect((await load(WHOLE, rejected))!.beginOffset).toBe(10)
      expect(rejected).toEqual([`${path}: it is damaged`])
    }
    expect(await names()).toContain('00000000000000000020.snapshot.rejected')
  })

  test('one from beyond the end of the log, which was cut by hand, never comes back when the log has grown', async () => {
    await write(10)
    await write(20)
    const rejected: string[] = []
    expect((await load(log(0, 24), rejected))!.beginOffset).toBe(10)
    expect(rejected).toEqual(['data/snapshots/00000000000000000020.snapshot: it ends at offset 25 and the log at 24'])
    expect((await load(log(0, 1000)))!.beginOffset).toBe(10)
  })

  test('one from before the start of the log is no use, and without another the start is refused', async () => {
    await write(10)
    await write(20)
    expect((await load(log(20, 100)))!.beginOffset).toBe(20)
    await expect(load(log(21, 100))).rejects.toMatchObject({
      code: 'CORRUPT_LOG',
      message: expect.stringContaining('the log begins at offset 21 and no snapshot'),
    })
  })

  test('one under another name is put aside', async () => {
    await write(10)
    disk.put(
      'data/snapshots/00000000000000000030.snapshot',
      disk.bytesOf('data/snapshots/00000000000000000010.snapshot'),
    )
    const rejected: string[] = []
    expect((await load(WHOLE, rejected))!.beginOffset).toBe(10)
    expect(rejected[0]).toContain('which is not its name')
  })
})
