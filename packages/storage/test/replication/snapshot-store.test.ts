import type { Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { snapshotStore } from '../../src/replication/snapshot-store.js'
import { keptSnapshots, loadSnapshot, writeSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'

const offset = (value: number) => value as Offset
const ENTRIES = [Uint8Array.from([1, 2, 3]), new Uint8Array(0), new Uint8Array(3000).fill(7)]
const pathOf = (begin: number) => `data/snapshots/${String(begin).padStart(20, '0')}.snapshot`

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

const at = (own: SimDisk) => ({ fs: own.mount(), directory: 'data', crc32 })
const write = (own: SimDisk, begin: number, entries: readonly Uint8Array[] = ENTRIES) =>
  writeSnapshot({ ...at(own), beginOffset: offset(begin), endOffset: () => offset(begin + 5), entries })
const begins = async (own: SimDisk) => (await keptSnapshots(own.mount(), 'data')).map(({ beginOffset }) => beginOffset)

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < bytes.byteLength; i += size) yield bytes.subarray(i, i + size)
}

describe('opening a snapshot', () => {
  test('gives the newest one that is whole, by position, also when it is removed meanwhile; none is no error', async () => {
    const store = snapshotStore(at(disk))
    expect(await store.open()).toBeUndefined()
    await write(disk, 10)
    await write(disk, 20)
    const bytes = disk.bytesOf(pathOf(20))
    const opened = (await store.open())!
    expect([opened.beginOffset, opened.bytes]).toEqual([20, bytes.byteLength])
    await disk.mount().remove(pathOf(20))
    expect(await opened.read(100, 50)).toEqual(bytes.subarray(100, 150))
    expect(await opened.read(bytes.byteLength - 3, 50)).toEqual(bytes.subarray(-3))
    await opened.close()
    await opened.close()
    expect((await store.open())?.beginOffset).toBe(10)
  })

  test('passes over one with any flipped bit, any cut, a byte too many or another name, and leaves it there', async () => {
    await write(disk, 10)
    await write(disk, 20, ENTRIES.slice(0, 2))
    const whole = disk.bytesOf(pathOf(20))
    const openedWith = async (bytes: Uint8Array) => {
      disk.put(pathOf(20), bytes)
      const opened = await snapshotStore(at(disk)).open()
      await opened?.close()
      return opened?.beginOffset
    }
    for (let bit = 0; bit < 8 * whole.byteLength; bit++) {
      const bytes = whole.slice()
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      expect(await openedWith(bytes), `bit ${bit}`).toBe(10)
    }
    for (let cut = 0; cut < whole.byteLength; cut++) expect(await openedWith(whole.subarray(0, cut))).toBe(10)
    expect(await openedWith(Uint8Array.from([...whole, 0]))).toBe(10)
    disk.put(pathOf(30), whole)
    expect(await openedWith(whole)).toBe(20)
    expect(await begins(disk)).toEqual([10, 20, 30])
    expect(disk.openHandles).toBe(0)
  })
})

describe('installing a snapshot', () => {
  test('in chunks of any size puts it in its place and removes all others', async () => {
    const other = new SimDisk(new SeededRandom(2))
    await write(other, 50)
    const bytes = other.bytesOf(pathOf(50))
    for (const size of [1, 7, 16, 1000, bytes.byteLength]) {
      const own = new SimDisk(new SeededRandom(3))
      await write(own, 10)
      await write(own, 60)
      own.put(`${pathOf(70)}.rejected`, bytes)
      await snapshotStore(at(own)).install(offset(50), inChunks(bytes, size))
      own.crash()
      expect(await own.mount().list('data/snapshots')).toEqual([pathOf(50).slice('data/snapshots/'.length)])
      const log = { logStartOffset: offset(40), logEndOffset: offset(90) }
      expect(await loadSnapshot({ ...at(own), log })).toMatchObject({ beginOffset: 50, entries: ENTRIES })
    }
  })

  test('that is damaged, not whole, begins elsewhere or breaks off is refused, and what was there stays', async () => {
    const other = new SimDisk(new SeededRandom(2))
    await write(other, 50)
    const bytes = other.bytesOf(pathOf(50))
    await write(disk, 10)
    const install = (chunks: AsyncIterable<Uint8Array>, begin = 50) =>
      snapshotStore(at(disk)).install(offset(begin), chunks)
    const flipped = bytes.slice()
    flipped[60]! ^= 1
    for (const wrong of [flipped, bytes.subarray(0, -1), Uint8Array.from([...bytes, 0]), new Uint8Array(0)])
      await expect(install(inChunks(wrong, 100))).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    await expect(install(inChunks(bytes, 100), 49)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
    const broken = (async function* () {
      yield bytes.subarray(0, 100)
      throw new Error('the link is gone')
    })()
    await expect(install(broken)).rejects.toThrow('the link is gone')
    expect(await disk.mount().list('data/snapshots')).toEqual([pathOf(10).slice('data/snapshots/'.length)])
  })

  test('a crash at any operation leaves those that were there or the new one', async () => {
    const other = new SimDisk(new SeededRandom(2))
    await write(other, 50)
    const bytes = other.bytesOf(pathOf(50))
    for (let seed = 1; seed < 120; seed++) {
      const own = new SimDisk(new SeededRandom(seed))
      await write(own, 10)
      await write(own, 20)
      let left = 1 + (seed % 16)
      own.onOperation = () => {
        if (--left === 0) own.crash()
      }
      await snapshotStore(at(own))
        .install(offset(50), inChunks(bytes, 1000))
        .catch(() => undefined)
      own.onOperation = () => undefined
      own.crash()
      const opened = (await snapshotStore(at(own)).open())!
      expect([20, 50]).toContain(opened.beginOffset)
    }
  })
})
