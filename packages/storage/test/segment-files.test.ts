import { SeededRandom } from '@gomq/protocol/testing'
import { beforeEach, expect, test } from 'vitest'
import { SegmentFiles } from '../src/segment-files.js'
import { SimDisk } from '../src/testing/sim-disk.js'

let disk: SimDisk
beforeEach(() => {
  disk = new SimDisk(new SeededRandom(1))
  for (let i = 0; i < 20; i++) disk.put(`d/${i}`, new Uint8Array([i]))
})

const firstByte = async (files: SegmentFiles, path: string) =>
  files.use(path, async (file) => {
    const into = new Uint8Array(1)
    await file.read(into, 0)
    return into[0]
  })

test('only so many files stay open, those used last', async () => {
  const files = new SegmentFiles(disk.mount(), 3)
  for (const i of [0, 1, 2, 3, 0, 4, 5]) expect(await firstByte(files, `d/${i}`)).toBe(i)
  expect([files.openCount, disk.openHandles]).toEqual([3, 3])
  await files.close()
  expect(disk.openHandles).toBe(0)
})

test('a file in use is not closed, however many others are asked for', async () => {
  const files = new SegmentFiles(disk.mount(), 1)
  const many = Array.from({ length: 200 }, (_, i) => firstByte(files, `d/${i % 20}`))
  expect(await Promise.all(many)).toEqual(Array.from({ length: 200 }, (_, i) => i % 20))
  expect(disk.openHandles).toBe(1)
})

test('one that could not be opened is tried again', async () => {
  const files = new SegmentFiles(disk.mount(), 3)
  await expect(firstByte(files, 'd/late')).rejects.toMatchObject({ code: 'ENOENT' })
  disk.put('d/late', new Uint8Array([9]))
  expect(await firstByte(files, 'd/late')).toBe(9)
  await files.forget('d/late')
  await files.forget('d/late')
  expect(disk.openHandles).toBe(0)
})
