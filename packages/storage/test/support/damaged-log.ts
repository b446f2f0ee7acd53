import type { Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { SeededRandom } from '@gomq/protocol/testing'
import { writeSnapshot } from '../../src/snapshot.js'
import { SimDisk } from '../../src/testing/sim-disk.js'
import { filesOf } from './disk-files.js'
import { appendBatches } from './log-contents.js'
import { openSimLog, settle } from './open-sim-log.js'

/** Segments of about ten batches. */
export const SMALL_SEGMENTS = { segmentBytes: 2500 } as const

/**
 * The files of a log of 60 batches of two records each in several segments, with two snapshots, which begin at 20 and 60.
 *
 * @param isClosed  false: as a crash leaves it, every batch synced
 */
export async function storedLog(
  isClosed = true,
): Promise<{ files: Map<string, Uint8Array>; batches: readonly Uint8Array[] }> {
  const disk = new SimDisk(new SeededRandom(1))
  const { log } = await openSimLog(disk, SMALL_SEGMENTS)
  const batches: Uint8Array[] = []
  for (let i = 0; i < 60; i++) {
    batches.push(...appendBatches(log, 1, { topic: `t/${i % 7}` }))
    await settle()
  }
  for (const at of [20, 60])
    await writeSnapshot({
      fs: disk.mount(),
      directory: 'data',
      crc32,
      beginOffset: at as Offset,
      endOffset: () => (at + 10) as Offset,
      entries: [1, 2, 3].map((n) => new Uint8Array(50).fill(n)),
    })
  if (isClosed) await log.close()
  else disk.crash()
  return { files: await filesOf(disk), batches }
}

/** The same files with one bit changed. */
export function withFlippedBit(
  files: ReadonlyMap<string, Uint8Array>,
  path: string,
  position: number,
  bit = 0,
): Map<string, Uint8Array> {
  const bytes = files.get(path)!.slice()
  bytes[position]! ^= 1 << bit
  return new Map([...files, [path, bytes]])
}

/** Paths of the segments, the oldest first. */
export function segmentPaths(files: ReadonlyMap<string, Uint8Array>): string[] {
  return [...files.keys()].filter((path) => path.endsWith('.log')).sort()
}
