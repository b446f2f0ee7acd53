import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { readFile, replaceFile } from '../src/file-system.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles, systemError } from './support/faulty-files.js'

test('a file is read from its start, up to a bound; none is undefined', async () => {
  const disk = new SimDisk(new SeededRandom(1))
  disk.put('d/x', Uint8Array.from([1, 2, 3]))
  expect(await readFile(disk.mount(), 'd/x')).toEqual(Uint8Array.from([1, 2, 3]))
  expect(await readFile(disk.mount(), 'd/x', 2)).toEqual(Uint8Array.from([1, 2]))
  expect(await readFile(disk.mount(), 'd/y')).toBeUndefined()
  expect(disk.openHandles).toBe(0)
})

test('a replacement that fails leaves the old file, no temporary one and no open handle', async () => {
  for (const failing of ['writev', 'sync'] as const) {
    const disk = new SimDisk(new SeededRandom(1))
    disk.put('d/x', Uint8Array.from([1]))
    const fs = faultyFiles(disk.mount(), (call) => {
      if (call === failing) throw systemError('ENOSPC')
    })
    await expect(replaceFile(fs, 'd', 'x', (file) => file.writev([new Uint8Array(9)], 0))).rejects.toMatchObject({
      code: 'ENOSPC',
    })
    expect([await disk.mount().list('d'), [...disk.bytesOf('d/x')], disk.openHandles]).toEqual([['x'], [1], 0])
  }
})
