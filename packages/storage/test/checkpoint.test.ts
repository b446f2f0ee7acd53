import type { Epoch, Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, expect, test } from 'vitest'
import { type Checkpoint, readCheckpoint, writeCheckpoint } from '../src/checkpoint.js'
import { encodeSealed } from '../src/format/sealed-record.js'
import { SimDisk } from '../src/testing/sim-disk.js'

const checkpoint = (n: number): Checkpoint => ({
  storeId: 'k3j9x',
  syncedOffset: (n * 2 ** 33) as Offset,
  epoch: n as Epoch,
  logStartOffset: n as Offset,
})

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

test('what is written is read, and none is no error', async () => {
  expect(await readCheckpoint(disk.mount(), 'data', crc32)).toBeUndefined()
  await writeCheckpoint(disk.mount(), 'data', checkpoint(3), crc32)
  disk.crash()
  expect(await readCheckpoint(disk.mount(), 'data', crc32)).toEqual(checkpoint(3))
})

test('a crash at any operation of a replacement leaves the old one or the new one', async () => {
  for (let seed = 1; seed < 200; seed++) {
    const own = new SimDisk(new SeededRandom(seed))
    await writeCheckpoint(own.mount(), 'data', checkpoint(1), crc32)
    let left = 1 + (seed % 8)
    own.onOperation = () => {
      if (--left === 0) own.crash()
    }
    await writeCheckpoint(own.mount(), 'data', checkpoint(2), crc32).catch(() => undefined)
    own.onOperation = () => undefined
    expect([1, 2]).toContain((await readCheckpoint(own.mount(), 'data', crc32))?.epoch)
  }
})

test('any flipped bit and any cut is refused, with the way out', async () => {
  await writeCheckpoint(disk.mount(), 'data', checkpoint(3), crc32)
  const whole = disk.bytesOf('data/checkpoint')
  for (let bit = 0; bit < 8 * whole.byteLength; bit++) {
    const bytes = whole.slice()
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    disk.put('data/checkpoint', bytes)
    await expect(readCheckpoint(disk.mount(), 'data', crc32)).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  }
  for (let bytes = 0; bytes < whole.byteLength; bytes++) {
    disk.put('data/checkpoint', whole.subarray(0, bytes))
    await expect(readCheckpoint(disk.mount(), 'data', crc32)).rejects.toThrow('gomqctl log repair data')
  }
})

test('one of another version is refused as such', async () => {
  disk.put('data/checkpoint', encodeSealed(0x43514d47, 2, ['new'], crc32))
  await expect(readCheckpoint(disk.mount(), 'data', crc32)).rejects.toMatchObject({
    code: 'UNSUPPORTED_FORMAT',
    message: 'the checkpoint has format version 2 and this program reads version 1; use the program that wrote it',
  })
})
