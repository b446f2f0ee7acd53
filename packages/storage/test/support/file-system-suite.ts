import { describe, expect, test } from 'vitest'
import type { FileSystem } from '../../src/file-system.js'

/** What every {@link FileSystem} does. @param make  a file system and a directory that is not there yet */
export function fileSystemSuite(name: string, make: () => Promise<{ fs: FileSystem; root: string }>): void {
  const bytes = (...values: number[]) => Uint8Array.from(values)
  const start = async () => {
    const { fs, root } = await make()
    await fs.makeDirectory(`${root}/a/b`)
    return { fs, root, path: (file: string) => `${root}/a/b/${file}` }
  }
  const contents = async (fs: FileSystem, path: string) => {
    const file = await fs.open(path, 'read')
    const into = new Uint8Array(await file.sizeBytes())
    await file.read(into, 0)
    await file.close()
    return [...into]
  }
  const write = async (fs: FileSystem, path: string, ...values: number[]) => {
    const file = await fs.open(path, 'create')
    await file.writev([bytes(...values)], 0)
    await file.sync()
    await file.close()
  }

  describe(`${name}, as a file system`, () => {
    test('lists what is in a directory, nothing for one that is not there, and making one again is no error', async () => {
      const { fs, root, path } = await start()
      await fs.makeDirectory(`${root}/a/b`)
      expect(await fs.list(`${root}/a/b`)).toEqual([])
      await write(fs, path('x'), 1)
      await write(fs, path('y'), 2)
      expect((await fs.list(`${root}/a/b`)).sort()).toEqual(['x', 'y'])
      expect(await fs.list(`${root}/none`)).toEqual([])
      await fs.syncDirectory(`${root}/a/b`)
    })

    test('opens what is there, and refuses what is not with ENOENT', async () => {
      const { fs, path } = await start()
      for (const mode of ['read', 'write'] as const)
        await expect(fs.open(path('none'), mode)).rejects.toMatchObject({ code: 'ENOENT' })
      await write(fs, path('x'), 1, 2, 3)
      const file = await fs.open(path('x'), 'write')
      await file.writev([bytes(9)], 1)
      await file.close()
      expect(await contents(fs, path('x'))).toEqual([1, 9, 3])
    })

    test('creating empties what is there', async () => {
      const { fs, path } = await start()
      await write(fs, path('x'), 1, 2, 3)
      await (await fs.open(path('x'), 'create')).close()
      expect(await contents(fs, path('x'))).toEqual([])
    })

    test('writes chunks one behind the other: none, empty ones, thousands', async () => {
      const { fs, path } = await start()
      const file = await fs.open(path('x'), 'create')
      await file.writev([], 0)
      await file.writev([new Uint8Array(0), new Uint8Array(0)], 0)
      await file.writev([new Uint8Array(0), bytes(7), new Uint8Array(0)], 0)
      await file.writev(
        Array.from({ length: 5000 }, (_, i) => new Uint8Array(i % 3).fill(i)),
        1,
      )
      await file.sync()
      const expected = [7, ...Array.from({ length: 5000 }, (_, i) => Array(i % 3).fill(i & 255)).flat()]
      expect(await contents(fs, path('x'))).toEqual(expected)
      expect(await file.sizeBytes()).toBe(expected.length)
      await file.close()
    })

    test('a gap reads as zeros, and reading beyond the end gives fewer bytes', async () => {
      const { fs, path } = await start()
      const file = await fs.open(path('x'), 'create')
      await file.writev([bytes(5)], 3)
      const into = new Uint8Array(10)
      expect([await file.read(into, 0), [...into]]).toEqual([4, [0, 0, 0, 5, 0, 0, 0, 0, 0, 0]])
      expect(await file.read(into, 4)).toBe(0)
      expect(await file.read(into, 100)).toBe(0)
      await file.close()
    })

    test('truncates, and what comes back after extending is zeros', async () => {
      const { fs, path } = await start()
      await write(fs, path('x'), 1, 2, 3, 4)
      const file = await fs.open(path('x'), 'write')
      await file.truncate(2)
      expect(await file.sizeBytes()).toBe(2)
      await file.truncate(4)
      await file.sync()
      await file.close()
      expect(await contents(fs, path('x'))).toEqual([1, 2, 0, 0])
    })

    test('a file opened for reading is not written to', async () => {
      const { fs, path } = await start()
      await write(fs, path('x'), 1)
      const file = await fs.open(path('x'), 'read')
      await expect(file.writev([bytes(2)], 0)).rejects.toMatchObject({ code: 'EBADF' })
      await expect(file.truncate(0)).rejects.toMatchObject({ code: expect.stringMatching(/^E(BADF|INVAL)$/) })
      await file.close()
      expect(await contents(fs, path('x'))).toEqual([1])
    })

    test('a handle that is closed is of no use', async () => {
      const { fs, path } = await start()
      const file = await fs.open(path('x'), 'create')
      await file.close()
      await expect(file.read(new Uint8Array(1), 0)).rejects.toThrow()
      await expect(file.sizeBytes()).rejects.toThrow()
    })

    test('renames over what is there, and open handles stay with their files', async () => {
      const { fs, path } = await start()
      await write(fs, path('old'), 1)
      await write(fs, path('new'), 2)
      const old = await fs.open(path('old'), 'read')
      await fs.rename(path('new'), path('old'))
      const into = new Uint8Array(1)
      await old.read(into, 0)
      expect([...into]).toEqual([1])
      await old.close()
      expect(await contents(fs, path('old'))).toEqual([2])
      await expect(fs.rename(path('new'), path('old'))).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('removes a file, and one that is not there without an error; open handles go on', async () => {
      const { fs, path } = await start()
      await write(fs, path('x'), 1)
      const file = await fs.open(path('x'), 'read')
      await fs.remove(path('x'))
      await fs.remove(path('x'))
      const into = new Uint8Array(1)
      expect([await file.read(into, 0), [...into]]).toEqual([1, [1]])
      await file.close()
      await expect(fs.open(path('x'), 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    })

    test('tells the free bytes of a directory that is there', async () => {
      const { fs, root } = await start()
      expect(await fs.freeBytes(`${root}/a/b`)).toBeGreaterThan(0)
    })

    test('one holds the lock of a directory at a time, which is made for it, and releasing again is no error', async () => {
      const { fs, root } = await make()
      const lock = await fs.lock(`${root}/deep/data`)
      await expect(fs.lock(`${root}/deep/data`)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
      const other = await fs.lock(`${root}/deep/other`)
      await lock.release()
      await lock.release()
      const next = await fs.lock(`${root}/deep/data`)
      await lock.release()
      await expect(fs.lock(`${root}/deep/data`)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
      await next.release()
      await other.release()
    })

    test('of many that lock at once one or none gets it', async () => {
      const { fs, root } = await make()
      const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => fs.lock(root)))
      const locks = outcomes.filter((outcome) => outcome.status === 'fulfilled').map((outcome) => outcome.value)
      expect(locks.length).toBeLessThanOrEqual(1)
      for (const lock of locks) await lock.release()
      await (await fs.lock(root)).release()
    })
  })
}
