import { BatchBuilder, epoch, type Offset, producerId, sealHeader, stampLeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { describe, expect, test } from 'vitest'
import { type Verification, verifyDirectory } from '../../src/inspection/verification.js'
import { SMALL_SEGMENTS, segmentPaths, storedLog, withFlippedBit } from '../support/damaged-log.js'
import { diskOf, filesOf } from '../support/disk-files.js'
import { appendBatches } from '../support/log-contents.js'
import { openSimLog, settle } from '../support/open-sim-log.js'
import { stampedBatch } from '../support/stamped-batch.js'

function verify(files: Map<string, Uint8Array>, options: { isLive?: boolean } = {}): Promise<Verification> {
  return verifyDirectory({ fs: diskOf(files).mount(), directory: 'data', crc32, ...options })
}

const bad = ({ findings }: Verification) => findings.filter(({ severity }) => severity !== 'harmless')

describe('a log without damage', () => {
  test('is clean, after a stop in order and after a crash', async () => {
    for (const isClosed of [true, false]) {
      const { files, batches } = await storedLog(isClosed)
      const verification = await verify(files)
      expect(verification.findings).toEqual([])
      expect(verification).toMatchObject({
        isDamaged: false,
        batches: batches.length,
        records: 120,
        logStartOffset: 0,
        logEndOffset: 120,
        snapshots: 2,
      })
      expect(verification.bytes).toBe(batches.reduce((sum, batch) => sum + batch.byteLength, 0))
    }
  })

  test('with what a crash leaves is clean, and every leftover is named', async () => {
    const { files } = await storedLog()
    const paths = segmentPaths(files)
    files.delete(paths[1]!.replace('.log', '.index'))
    files.set('data/log/x.index.tmp', new Uint8Array(3))
    files.set('data/sync-failed', new Uint8Array(0))
    files.set('data/notes.txt', new Uint8Array(0))
    files.set(
      paths.at(-1)!,
      Buffer.concat([files.get(paths.at(-1)!)!, Buffer.from('half a batch'), new Uint8Array(99)]),
    )
    const { isDamaged, findings } = await verify(files)
    expect(isDamaged).toBe(false)
    const end = files.get(paths.at(-1)!)!.byteLength
    expect(findings.map(({ severity, file, bytes }) => [severity, file, bytes])).toEqual([
      ['harmless', paths[1]!.slice(5).replace('.log', '.index'), undefined],
      ['harmless', paths.at(-1)!.slice(5), [end - 99 - 12, end]],
      ['harmless', 'sync-failed', undefined],
      ['harmless', 'log/x.index.tmp', undefined],
      ['harmless', 'notes.txt', undefined],
    ])
  })

  test('with zeros ahead of its end is clean', async () => {
    const { files } = await storedLog()
    const last = segmentPaths(files).at(-1)!
    files.set(last, Buffer.concat([files.get(last)!, new Uint8Array(5000)]))
    expect((await verify(files)).findings).toEqual([])
  })

  test('reports its progress up to all bytes', async () => {
    const { files } = await storedLog()
    const seen: [number, number][] = []
    const fs = diskOf(files).mount()
    const { bytes } = await verifyDirectory({
      fs,
      directory: 'data',
      crc32,
      onProgress: (done, total) => void seen.push([done, total]),
    })
    expect(seen.at(-1)).toEqual([bytes, bytes])
    expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).toSorted((a, b) => a - b))
  })
})

describe('damage', () => {
  test('in the middle of a sealed segment is named with its bytes, offsets, batches and topics', async () => {
    const { files, batches } = await storedLog()
    const [, path] = segmentPaths(files)
    const first = Number(/(\d{20})\.log/.exec(path!)![1]) / 2
    const start = batches[first]!.byteLength
    const end = start + batches[first + 1]!.byteLength
    for (const position of [start, start + 13, start + 150]) {
      const verification = await verify(withFlippedBit(files, path!, position, 2))
      expect(verification.isDamaged).toBe(true)
      expect(bad(verification)).toEqual([
        {
          severity: 'damage',
          file: path!.slice(5),
          what: 'damaged batches',
          bytes: [start, end],
          offsets: [2 * (first + 1), 2 * (first + 2)],
          batches: 1,
          topics: [`t/${(first + 1) % 7}`],
        },
      ])
    }
  })

  test('in a segment whose index is gone too is named, and what was found by looking for the next batch is said to be', async () => {
    const { files, batches } = await storedLog()
    const [, path] = segmentPaths(files)
    const first = Number(/(\d{20})\.log/.exec(path!)![1]) / 2
    const start = batches[first]!.byteLength
    const damaged = files
      .get(path!)!
      .slice()
      .fill(0, start, start + 60)
    files.set(path!, damaged)
    files.delete(path!.replace('.log', '.index'))
    expect(bad(await verify(files))).toMatchObject([
      {
        what: expect.stringContaining('looking for the next one'),
        bytes: [start, start + batches[first + 1]!.byteLength],
        offsets: [2 * (first + 1), 2 * (first + 2)],
        batches: undefined,
        topics: undefined,
      },
    ])
  })

  test('does not make a message that holds the bytes of a batch a batch, not even one whose numbers fit', async () => {
    const disk = diskOf(new Map())
    const { log } = await openSimLog(disk, { segmentBytes: 100_000 })
    appendBatches(log, 3)
    await settle()
    const sealed = stampedBatch({ baseOffset: 7, appendTimeMs: 2000, records: 2 })
    sealHeader(sealed, 6 as Offset, crc32)
    const builder = new BatchBuilder('b', 1)
    for (const value of [sealed, 'x', 'y']) builder.append({ timestampDeltaMs: 0, key: null, value, headers: null })
    const batch = builder.finish(
      { baseTimestampMs: 0, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 },
      crc32,
    )
    stampLeader(batch, log.logEndOffset, epoch(1), log.lastAppendTimeMs)
    log.append(batch)
    await settle()
    appendBatches(log, 3)
    await settle()
    disk.crash()
    const files = await filesOf(disk)
    const path = segmentPaths(files)[0]!
    const start = 3 * stampedBatch({ baseOffset: 0, records: 2 }).byteLength
    for (const position of [start + 12, start + 30])
      expect(bad(await verify(withFlippedBit(files, path, position, 1)))).toMatchObject([{ offsets: [6, 9] }])
  })

  test('in an index or a snapshot is repairable: the next start does without', async () => {
    const { files } = await storedLog()
    const index = [...files.keys()].find((path) => path.endsWith('.index'))!
    const snapshot = [...files.keys()].find((path) => path.endsWith('.snapshot'))!
    for (const path of [index, snapshot]) {
      const verification = await verify(withFlippedBit(files, path, 40))
      expect(bad(verification).map(({ severity, file }) => [severity, file])).toEqual([['repairable', path.slice(5)]])
      expect(verification.isDamaged).toBe(true)
    }
  })

  test('an index that is whole and another segment’s is found', async () => {
    const { files } = await storedLog()
    const [a, b] = [...files.keys()].filter((path) => path.endsWith('.index')).sort()
    files.set(a!, files.get(b!)!)
    expect(bad(await verify(files))).toMatchObject([{ severity: 'repairable', file: a!.slice(5) }])
  })

  test('of the checkpoint is found', async () => {
    const { files } = await storedLog()
    expect(bad(await verify(withFlippedBit(files, 'data/checkpoint', 20)))).toMatchObject([
      { severity: 'damage', file: 'checkpoint' },
    ])
  })

  test.each([
    ['the first', 0, { file: 'log' }],
    ['one in the middle', 2, { what: 'missing batches' }],
    ['the last', -1, { file: 'log', what: expect.stringContaining('its checkpoint knows more') }],
  ])('a segment that is gone is found: %s', async (_, which, expected) => {
    const { files } = await storedLog()
    const paths = segmentPaths(files)
    const base = (path: string | undefined) => (path === undefined ? 120 : Number(/(\d{20})\.log/.exec(path)![1]))
    const at = which < 0 ? paths.length + which : which
    files.delete(paths[at]!)
    files.delete(paths[at]!.replace('.log', '.index'))
    const findings = bad(await verify(files)).filter(({ severity }) => severity === 'damage')
    expect(findings).toMatchObject([{ offsets: [base(paths[at]), base(paths[at + 1])], ...expected }])
  })

  test('in the active segment with later rounds behind it is damage, and at its end without proof a torn tail', async () => {
    const { files, batches } = await storedLog(false)
    const path = segmentPaths(files).at(-1)!
    const first = Number(/(\d{20})\.log/.exec(path)![1]) / 2
    expect(batches.length - first).toBeGreaterThan(2)
    const length = batches[first]!.byteLength
    expect(bad(await verify(withFlippedBit(files, path, length + 150)))).toMatchObject([
      { bytes: [length, 2 * length], offsets: [2 * first + 2, 2 * first + 4], file: path.slice(5) },
    ])
    const torn = await verify(withFlippedBit(files, path, files.get(path)!.byteLength - 10))
    expect(torn.isDamaged).toBe(false)
    expect(torn.findings).toMatchObject([{ severity: 'harmless', what: expect.stringContaining('torn tail') }])
  })

  test('at the end of the active segment below the checkpoint is damage whose end is not known', async () => {
    const { files } = await storedLog()
    const path = segmentPaths(files).at(-1)!
    expect(bad(await verify(withFlippedBit(files, path, files.get(path)!.byteLength - 10)))).toMatchObject([
      { offsets: [118, null], file: path.slice(5) },
    ])
  })
})

describe('the lock', () => {
  test('is needed, and a live check does without', async () => {
    const { files } = await storedLog()
    const disk = diskOf(files)
    const { log } = await openSimLog(disk, SMALL_SEGMENTS)
    const options = { fs: disk.mount(), directory: 'data', crc32 }
    await expect(verifyDirectory(options)).rejects.toMatchObject({ code: 'DATA_DIR_LOCKED' })
    expect((await verifyDirectory({ ...options, isLive: true })).findings).toEqual([])
    await log.close()
    expect((await verifyDirectory(options)).findings).toEqual([])
    await verifyDirectory(options)
    expect(disk.openHandles).toBe(0)
  })

  test('beside a broker what lies above the checkpoint is not judged, and what lies below is', async () => {
    const { files } = await storedLog()
    const last = segmentPaths(files).at(-1)!
    files.set(last, Buffer.concat([files.get(last)!, Buffer.from('half a batch')]))
    expect((await verify(files, { isLive: true })).findings).toEqual([])
    const damaged = withFlippedBit(files, segmentPaths(files)[0]!, 150)
    expect((await verify(damaged, { isLive: true })).isDamaged).toBe(true)
  })

  test('a directory of something else is refused, and nothing is left in it', async () => {
    const disk = diskOf(new Map([['data/photo.jpg', new Uint8Array(5)]]))
    const options = { fs: disk.mount(), directory: 'data', crc32 }
    await expect(verifyDirectory(options)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(verifyDirectory({ ...options, directory: 'none' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

test('random damage of any length never hides a batch that is not touched', async () => {
  const { files, batches } = await storedLog()
  const random = new SeededRandom(11)
  const paths = segmentPaths(files)
  for (let i = 0; i < 200; i++) {
    const path = random.pick(paths.slice(0, -1))
    const bytes = files.get(path)!.slice()
    const from = random.below(bytes.byteLength)
    const to = Math.min(bytes.byteLength, from + 1 + random.below(700))
    for (let at = from; at < to; at++) bytes[at] = random.below(256)
    const damaged = new Map([...files, [path, bytes]])
    if (random.chance(0.5)) damaged.delete(path.replace('.log', '.index'))
    const { findings } = await verify(damaged)
    const lost = bad({ findings } as Verification)
    let position = 0
    const first = Number(/(\d{20})\.log/.exec(path)![1]) / 2
    const touched: number[] = []
    for (let b = first; position < bytes.byteLength; b++) {
      const end = position + batches[b]!.byteLength
      if (from < end && to > position) touched.push(2 * b, 2 * b + 2)
      position = end
    }
    expect(
      lost.map(({ offsets }) => offsets),
      `bytes ${from} to ${to} of ${path}`,
    ).toEqual([[touched[0], touched.at(-1)]])
  }
})
