import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { fileSystemSuite } from '../support/file-system-suite.js'

fileSystemSuite('the simulated disk', async () => ({ fs: new SimDisk(new SeededRandom(1)).mount(), root: 'r' }))

/** What `run` finds on 300 disks. */
async function outcomes(run: (disk: SimDisk) => Promise<string>): Promise<Set<string>> {
  const found = new Set<string>()
  for (let seed = 1; seed <= 300; seed++) found.add(await run(new SimDisk(new SeededRandom(seed))))
  return found
}

const seen = (disk: SimDisk, path: string) => {
  try {
    return Buffer.from(disk.bytesOf(path)).toString('latin1')
  } catch {
    return 'none'
  }
}

describe('a crash of the simulated disk', () => {
  test('keeps what was synced and loses any sectors of the rest', async () => {
    const found = await outcomes(async (disk) => {
      const fs = disk.mount()
      const file = await fs.open('d/x', 'create')
      await fs.syncDirectory('d')
      await file.writev([new Uint8Array(512).fill(97)], 0)
      await file.sync()
      await file.writev([new Uint8Array(1024).fill(98)], 512)
      disk.crash()
      const text = seen(disk, 'd/x')
      return [0, 512, 1024].map((at) => text[at] ?? '-').join('')
    })
    expect(found).toEqual(new Set(['abb', 'ab-', 'a\0b', 'a--']))
  })

  test('loses creations, renames and removals that no sync of the directory covered, each for itself', async () => {
    const found = await outcomes(async (disk) => {
      disk.put('d/old', Uint8Array.from([97]))
      disk.put('d/gone', Uint8Array.from([98]))
      const fs = disk.mount()
      await fs.open('d/made', 'create')
      await fs.rename('d/old', 'd/new')
      await fs.remove('d/gone')
      disk.crash()
      return ['made', 'old', 'new', 'gone'].map((name) => (seen(disk, `d/${name}`) === 'none' ? '-' : name)).join(' ')
    })
    expect(found.size).toBe(8)
    const synced = await outcomes(async (disk) => {
      const fs = disk.mount()
      await fs.open('d/made', 'create')
      await fs.syncDirectory('d')
      disk.crash()
      return seen(disk, 'd/made')
    })
    expect(synced).toEqual(new Set(['']))
  })

  test('ends handles, file systems and locks of the life before', async () => {
    const disk = new SimDisk(new SeededRandom(1))
    const fs = disk.mount()
    await fs.lock('d')
    const file = await fs.open('d/x', 'create')
    disk.crash()
    await expect(file.sync()).rejects.toMatchObject({ code: 'EBADF' })
    await expect(fs.list('d')).rejects.toMatchObject({ code: 'EBADF' })
    await disk.mount().lock('d')
  })
})

describe('faults of the simulated disk', () => {
  test('a failed sync lies from then on: the bytes are seen, later syncs succeed, and a crash takes them', async () => {
    const disk = new SimDisk(new SeededRandom(1))
    const file = await disk.mount().open('d/x', 'create')
    await disk.mount().syncDirectory('d')
    disk.faults.syncsUntilError = 1
    await file.writev([Uint8Array.from([97])], 0)
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
    disk.faults.syncsUntilError = undefined
    await file.sync()
    expect(seen(disk, 'd/x')).toBe('a')
    disk.crash()
    expect(seen(disk, 'd/x')).toBe('')
  })

  test('a full disk writes a part and then fails', async () => {
    const found = await outcomes(async (disk) => {
      disk.faults.bytesMax = 100
      const file = await disk.mount().open('d/x', 'create')
      await file.writev([new Uint8Array(90)], 0)
      const code = await file.writev([new Uint8Array(50)], 90).catch((error: { code: string }) => error.code)
      return `${code} ${(await file.sizeBytes()) < 140}`
    })
    expect(found).toContain('ENOSPC true')
  })
})

test('an operation that was under way when the machine crashed has no effect and no success', async () => {
  for (let turns = 0; turns < 12; turns++) {
    const disk = new SimDisk(new SeededRandom(1))
    const file = await disk.mount().open('d/x', 'create')
    await disk.mount().syncDirectory('d')
    await file.writev([Uint8Array.from([97])], 0)
    const sync = file.sync().then(
      () => 'synced',
      () => 'failed',
    )
    for (let i = 0; i < turns; i++) await Promise.resolve()
    disk.crash()
    const text = seen(disk, 'd/x')
    if ((await sync) === 'synced') expect(text, `crash after ${turns} turns`).toBe('a')
  }
})

test('what a write may add to a bounded disk is what is free', async () => {
  const disk = new SimDisk(new SeededRandom(1))
  const fs = disk.mount()
  expect(await fs.freeBytes('d')).toBe(Number.POSITIVE_INFINITY)
  disk.faults.bytesMax = 100
  const file = await fs.open('d/x', 'create')
  await file.writev([new Uint8Array(60)], 0)
  expect(await fs.freeBytes('d')).toBe(40)
  await expect(file.writev([new Uint8Array(41)], 60)).rejects.toMatchObject({ code: 'ENOSPC' })
})
