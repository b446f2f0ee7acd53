import { createHash } from 'node:crypto'
import { baseOffsetOf, epochOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { dumpLog } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'

/** A batch of a stopped broker's log. */
interface HeldBatch {
  readonly base: number
  readonly next: number
  readonly epoch: number
  readonly digest: string
}

/** What the data directories of stopped brokers hold. */
export interface MemberLogs {
  /** Batches below the high watermark, of the first directory. */
  readonly batches: number
  /** The first difference between two of them below the high watermark, in words; undefined: there is none. */
  readonly difference: string | undefined
}

/** Compares, batch by batch and bit by bit, what the directories hold below `highWatermark`. Their brokers have ended. */
export async function compareLogs(directories: readonly string[], highWatermark: number): Promise<MemberLogs> {
  const logs = await Promise.all(directories.map((directory) => read(directory, highWatermark)))
  const [first = []] = logs
  for (const [i, log] of logs.entries()) {
    const end = log.at(-1)?.next ?? 0
    if (end < highWatermark)
      return { batches: first.length, difference: `log ${i} ends at ${end}, not ${highWatermark}` }
    for (let k = 0; k < Math.max(first.length, log.length); k++) {
      const [a, b] = [JSON.stringify(first[k]), JSON.stringify(log[k])]
      if (a !== b) return { batches: first.length, difference: `batch ${k}: log 0 has ${a}, log ${i} has ${b}` }
    }
  }
  return { batches: first.length, difference: undefined }
}

async function read(directory: string, to: number): Promise<HeldBatch[]> {
  const held: HeldBatch[] = []
  for await (const piece of dumpLog({ fs: nodeFileSystem(), directory, crc32, to: to as Offset })) {
    if (piece.kind === 'damage') throw new Error(`${directory} is damaged: ${JSON.stringify(piece)}`)
    const { batch } = piece
    const digest = createHash('sha1').update(sharedBytesOf(batch)).digest('hex')
    held.push({ base: baseOffsetOf(batch), next: nextOffsetOf(batch), epoch: epochOf(batch), digest })
  }
  return held
}

/** A batch without what each log writes into its header itself: how far it was synced, and so the header's checksum. */
function sharedBytesOf(batch: Uint8Array): Uint8Array {
  const shared = Uint8Array.from(batch)
  shared.fill(0, 4, 8)
  shared.fill(0, 32, 40)
  return shared
}
