import type { Crc32, Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { SegmentIndex } from '../src/format/segment-index.js'
import { loadIndex, writeIndex } from '../src/index-file.js'
import { INDEX_PIECE_BYTES } from '../src/limits.js'
import { Segment, segmentName } from '../src/segment.js'
import { SimDisk } from '../src/testing/sim-disk.js'
import { faultyFiles } from './support/faulty-files.js'
import { stampedBatch } from './support/stamped-batch.js'

const FOLDER = 'log'
const TOPICS = 60_000

function indexOf(topics: number): SegmentIndex {
  const index = new SegmentIndex(0 as Offset)
  for (let i = 0; i < topics; i++)
    index.add(stampedBatch({ baseOffset: i, topic: `site/${i % 1000}/device/${i}`, valueBytes: 1, appendTimeMs: 1 }))
  return index
}

/** A disk, and the most bytes that were checked in one turn: without a call of the disk's in between, which lets others have theirs. */
async function watchedDisk() {
  const fs = new SimDisk(new SeededRandom(1)).mount()
  await fs.makeDirectory(FOLDER)
  const turns = { count: 0, bytesMax: 0 }
  let bytes = 0
  const checked: Crc32 = (part, seed) => {
    bytes += part.byteLength
    turns.bytesMax = Math.max(turns.bytesMax, bytes)
    return crc32(part, seed)
  }
  const watched = faultyFiles(fs, (call) => {
    if (call !== 'read' && call !== 'writev') return
    turns.count++
    bytes = 0
  })
  return { fs: watched, crc32: checked, turns }
}

test('the index of a segment with very many topics is written and loaded in turns of a bounded size', async () => {
  const disk = await watchedDisk()
  const index = indexOf(TOPICS)
  const path = `${FOLDER}/${segmentName(0 as Offset)}`
  const file = await disk.fs.open(path, 'create')
  await writeIndex(disk.fs, FOLDER, index, disk.crc32)
  const bytes = 16 * TOPICS + index.names.count * 'site/999/device/12345'.length
  expect(disk.turns.count).toBeGreaterThan(bytes / INDEX_PIECE_BYTES)
  expect(disk.turns.bytesMax).toBeLessThanOrEqual(2 * INDEX_PIECE_BYTES)

  Object.assign(disk.turns, { count: 0, bytesMax: 0 })
  const segment = new Segment(path, { summary: index.summary })
  const loaded = await loadIndex(disk.fs, FOLDER, segment, file, disk.crc32)
  expect(disk.turns.count).toBeGreaterThan(bytes / INDEX_PIECE_BYTES)
  expect(disk.turns.bytesMax).toBeLessThanOrEqual(2 * INDEX_PIECE_BYTES)
  expect(loaded.summary).toEqual(index.summary)
  // No name is text before it is asked for: they take no more memory than they do on disk.
  const names = loaded.names.memoryBytes
  expect(names).toBeLessThan(30 * TOPICS)
  expect(loaded.names.at(loaded.topicAt(TOPICS - 1))).toBe(`site/${(TOPICS - 1) % 1000}/device/${TOPICS - 1}`)
  expect(loaded.names.memoryBytes - names).toBeLessThanOrEqual(4 * 5_000)
})
