import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test, vi } from 'vitest'
import type { FileSystem } from '../../src/file-system.js'
import { QUICK_SYNC_SAMPLES, SMALL_ROUND_BYTES_MAX } from '../../src/limits.js'
import { NodeFileHandle } from '../../src/node/node-file-handle.js'
import { nodeFileSystem } from '../../src/node/node-file-system.js'
import { QuickSyncs } from '../../src/quick-syncs.js'
import { fileSystemSuite } from '../support/file-system-suite.js'

const roots: string[] = []
afterEach(async () => {
  vi.restoreAllMocks()
  for (const root of roots.splice(0)) await rm(root, { recursive: true })
})

async function temporary(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'gomq-storage-'))
  roots.push(root)
  return root
}

/** A disk that was seen to be quick. */
function quick(): QuickSyncs {
  const syncs = new QuickSyncs()
  for (let i = 0; i < QUICK_SYNC_SAMPLES; i++) syncs.handleSynced(0, 1, () => 0)
  return syncs
}

const quickFiles: FileSystem = { ...nodeFileSystem(), open: (path, mode) => NodeFileHandle.open(path, mode, quick()) }

fileSystemSuite('a quick disk', async () => ({ fs: quickFiles, root: `${await temporary()}/r` }))

test('on a quick disk a small write and its sync are done when the calls return; a large one is not waited for', async () => {
  const path = `${await temporary()}/x`
  const syncs = quick()
  // It stays quick, however long the disk of this machine takes.
  const handleSynced = vi.spyOn(syncs, 'handleSynced').mockReturnValue(undefined)
  const file = await NodeFileHandle.open(path, 'create', syncs)
  const written = file.writev([new Uint8Array(9).fill(1)], 0)
  const synced = file.sync()
  expect(handleSynced, 'before any turn of the event loop').toHaveBeenCalledTimes(1)
  await Promise.all([written, synced])
  expect([...(await readFile(path))]).toEqual(Array(9).fill(1))
  const isLarge = file.writev([new Uint8Array(SMALL_ROUND_BYTES_MAX + 1)], 9)
  await isLarge
  await file.sync()
  expect(handleSynced, 'its time says nothing about small ones').toHaveBeenCalledTimes(1)
  await file.writev([new Uint8Array(1)], 0)
  const small = file.sync()
  expect(handleSynced).toHaveBeenCalledTimes(2)
  await small
  await file.close()
})

test('bytes of several writes count together', async () => {
  const syncs = quick()
  const handleSynced = vi.spyOn(syncs, 'handleSynced')
  const file = await NodeFileHandle.open(`${await temporary()}/x`, 'create', syncs)
  for (let i = 0; i <= SMALL_ROUND_BYTES_MAX / 1024; i++) await file.writev([new Uint8Array(1024)], 1024 * i)
  await file.sync()
  expect(handleSynced).not.toHaveBeenCalled()
  await file.close()
})

test('an error on a quick disk is a rejection, not a throw', async () => {
  const path = `${await temporary()}/x`
  await (await NodeFileHandle.open(path, 'create')).close()
  const file = await NodeFileHandle.open(path, 'read', quick())
  const refused = file.writev([new Uint8Array(1)], 0)
  await expect(refused).rejects.toMatchObject({ code: 'EBADF' })
  await file.close()
})
