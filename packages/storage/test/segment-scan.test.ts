import { nextOffsetOf, type Offset, sealHeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { scanSegment, wasSyncedBehind } from '../src/segment-scan.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { stampedBatch } from './support/stamped-batch.js'

function sealed(baseOffset: number, synced = baseOffset, options: object = {}): Uint8Array {
  const batch = stampedBatch({ baseOffset, ...options })
  sealHeader(batch, synced as Offset, crc32)
  return batch
}

async function fileOf(...parts: Uint8Array[]) {
  const disk = new SimDisk(new SeededRandom(1))
  disk.put('d/f', Buffer.concat(parts))
  return disk.mount().open('d/f', 'read')
}

describe('a scan', () => {
  test('indexes every batch of a file larger than what is read at once, batches across the borders too', async () => {
    const batches: Uint8Array[] = []
    for (let base = 0; batches.length < 14; base = nextOffsetOf(batches.at(-1)!))
      batches.push(sealed(base, base, { valueBytes: 700_000 + base, records: 1 + (base % 2) }))
    batches.push(sealed(nextOffsetOf(batches.at(-1)!), 0, { valueBytes: 9_000_000 }))
    const { index, goodBytes, fileBytes } = await scanSegment(await fileOf(...batches), 0 as Offset, crc32)
    expect([index.count, goodBytes]).toEqual([15, fileBytes])
    expect(index.endOffset).toBe(nextOffsetOf(batches.at(-1)!))
  })

  test('stops at the first batch that is damaged, torn, or does not follow', async () => {
    const good = sealed(0)
    const flipped = sealed(1)
    flipped[120]! ^= 1
    for (const bad of [flipped, sealed(1).subarray(0, 130), sealed(2), sealed(0), new Uint8Array(500)]) {
      const scan = await scanSegment(await fileOf(good, bad), 0 as Offset, crc32)
      expect([scan.index.count, scan.goodBytes]).toEqual([1, good.byteLength])
    }
  })

  test('believes no length before its header is verified', async () => {
    const lying = sealed(0)
    lying.set([0xff, 0xff, 0xff, 0xff], 12)
    const scan = await scanSegment(await fileOf(lying, new Uint8Array(1000)), 0 as Offset, crc32)
    expect(scan.goodBytes).toBe(0)
  })
})

describe('the proof that a bad place was once synced', () => {
  const bad = new Uint8Array(500)

  test('is a later batch that was written after the place had been synced', async () => {
    const file = await fileOf(bad, sealed(12, 11))
    expect(await wasSyncedBehind(file, 0, 10 as Offset, crc32)).toBe(true)
    expect(await wasSyncedBehind(file, 0, 11 as Offset, crc32)).toBe(false)
  })

  test('is found wherever it lies, across the borders of what is read at once too', async () => {
    const step = 4 * 1024 * 1024
    for (const at of [step - 104, step - 50, step - 1, step, step + 3]) {
      const file = await fileOf(new Uint8Array(at), sealed(12, 11))
      expect(await wasSyncedBehind(file, 0, 10 as Offset, crc32), `at ${at}`).toBe(true)
    }
  })

  test('is no batch with more records before it than there are bytes for, none synced beyond itself, none of the same round', async () => {
    for (const batch of [sealed(10 + 57, 11), sealed(12, 13), sealed(12, 10)])
      expect(await wasSyncedBehind(await fileOf(bad, batch), 0, 10 as Offset, crc32)).toBe(false)
    expect(await wasSyncedBehind(await fileOf(bad, sealed(10 + 55, 11)), 0, 10 as Offset, crc32)).toBe(true)
  })
})
