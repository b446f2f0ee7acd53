import type { Epoch } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, expect, test } from 'vitest'
import { encodeSealed } from '../../src/format/sealed-record.js'
import { type ReplicaRecord, replicaRecordStore } from '../../src/replication/replica-record.js'
import { SimDisk } from '../../src/testing/sim-disk.js'

const record = (epoch: number): ReplicaRecord => ({
  clusterUuid: '5b1a7c52-33c1-4a8e-9f5e-0d1d8f0c7b11',
  epoch: epoch as Epoch,
  coordinatorId: '14841639068965178418',
  coordinatorRevision: 2 ** 40,
  isFilling: epoch % 2 === 0,
})

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
})

const store = (own: SimDisk = disk) => replicaRecordStore({ fs: own.mount(), directory: 'data', crc32 })

test('what is saved is loaded, also after a crash, and none is no error', async () => {
  expect(await store().load()).toBeUndefined()
  for (const epoch of [1, 2]) {
    await store().save(record(epoch))
    disk.crash()
    expect(await store().load()).toEqual(record(epoch))
  }
})

test('a crash at any operation of a replacement leaves the old one or the new one', async () => {
  for (let seed = 1; seed < 100; seed++) {
    const own = new SimDisk(new SeededRandom(seed))
    await store(own).save(record(1))
    let left = 1 + (seed % 8)
    own.onOperation = () => {
      if (--left === 0) own.crash()
    }
    await store(own)
      .save(record(2))
      .catch(() => undefined)
    own.onOperation = () => undefined
    expect([record(1), record(2)]).toContainEqual(await store(own).load())
  }
})

test('any flipped bit and any cut is refused, with the way out; another version as such', async () => {
  await store().save(record(3))
  const whole = disk.bytesOf('data/replica')
  for (let bit = 0; bit < 8 * whole.byteLength; bit++) {
    const bytes = whole.slice()
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    disk.put('data/replica', bytes)
    await expect(store().load()).rejects.toMatchObject({ code: 'CORRUPT_LOG' })
  }
  for (let bytes = 0; bytes < whole.byteLength; bytes++) {
    disk.put('data/replica', whole.subarray(0, bytes))
    await expect(store().load()).rejects.toThrow('empty the data directory data')
  }
  disk.put('data/replica', encodeSealed(0x52514d47, 2, ['new'], crc32))
  await expect(store().load()).rejects.toMatchObject({ code: 'UNSUPPORTED_FORMAT' })
})

test('a full disk refuses a new one, and the old one stays', async () => {
  await store().save(record(1))
  disk.faults.bytesMax = 10
  await expect(store().save(record(2))).rejects.toMatchObject({ code: 'DISK_FULL' })
  expect(await store().load()).toEqual(record(1))
  disk.faults.bytesMax = undefined
  await store().save(record(2))
  expect(await store().load()).toEqual(record(2))
})
