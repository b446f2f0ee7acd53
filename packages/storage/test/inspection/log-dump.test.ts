import { baseOffsetOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { type DumpOptions, dumpLog } from '../../src/inspection/log-dump.js'
import { SMALL_SEGMENTS, segmentPaths, storedLog, withFlippedBit } from '../support/damaged-log.js'
import { diskOf } from '../support/disk-files.js'
import { openSimLog } from '../support/open-sim-log.js'

async function dumped(files: Map<string, Uint8Array>, options: Partial<DumpOptions> = {}) {
  const disk = diskOf(files)
  const seen: unknown[] = []
  for await (const piece of dumpLog({ fs: disk.mount(), directory: 'data', crc32, ...options }))
    seen.push(piece.kind === 'batch' ? baseOffsetOf(piece.batch) : piece.offsets)
  expect([disk.openHandles, disk.locks.size]).toEqual([0, 0])
  return seen
}

const even = (from: number, to: number) => Array.from({ length: (to - from) / 2 }, (_, i) => from + 2 * i)

describe('a dump', () => {
  test('shows every batch of the log in order', async () => {
    const { files } = await storedLog()
    expect(await dumped(files)).toEqual(even(0, 120))
  })

  test('begins with the batch that holds the first offset and ends before the last one, with indexes or without', async () => {
    const { files } = await storedLog()
    const without = new Map([...files].filter(([path]) => !path.endsWith('.index')))
    for (const each of [files, without]) {
      expect(await dumped(each, { from: 41 as Offset, to: 80 as Offset })).toEqual(even(40, 80))
      expect(await dumped(each, { from: 119 as Offset })).toEqual([118])
      expect(await dumped(each, { from: 500 as Offset })).toEqual([])
    }
  })

  test('goes on behind damage and says what is missing', async () => {
    const { files } = await storedLog()
    const damaged = withFlippedBit(files, segmentPaths(files)[0]!, 150)
    expect(await dumped(damaged)).toEqual([[0, 2], ...even(2, 120)])
    expect(await dumped(damaged, { from: 2 as Offset })).toEqual(even(2, 120))
  })

  test('beside a broker needs no lock, and leaves out what is half written', async () => {
    const { files } = await storedLog()
    const last = segmentPaths(files).at(-1)!
    const growing = new Map([...files, [last, Buffer.concat([files.get(last)!, Buffer.from('half')])]])
    expect(await dumped(growing, { isLive: true })).toEqual(even(0, 120))
    const disk = diskOf(files)
    await openSimLog(disk, SMALL_SEGMENTS)
    await expect(dumpLog({ fs: disk.mount(), directory: 'data', crc32 }).next()).rejects.toMatchObject({
      code: 'DATA_DIR_LOCKED',
    })
  })

  test('that is left early gives the lock back', async () => {
    const disk = diskOf((await storedLog()).files)
    for await (const piece of dumpLog({ fs: disk.mount(), directory: 'data', crc32 })) {
      expect(piece.kind).toBe('batch')
      break
    }
    expect([disk.openHandles, disk.locks.size]).toEqual([0, 0])
  })
})
