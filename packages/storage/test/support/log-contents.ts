import { baseOffsetOf, nextOffsetOf, type Offset } from '@gomq/protocol'
import type { Log } from '../../src/log.js'
import { stampedBatch } from './stamped-batch.js'

/** Appends `count` batches of two records and returns copies of them. */
export function appendBatches(
  log: Log,
  count: number,
  options: Omit<Parameters<typeof stampedBatch>[0], 'baseOffset'> = {},
): Uint8Array[] {
  const batches: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const batch = stampedBatch({
      records: 2,
      appendTimeMs: Math.max(log.lastAppendTimeMs, 1000 + log.logEndOffset),
      epoch: Math.max(1, log.epochStarts.at(-1)?.epoch ?? 1),
      ...options,
      baseOffset: log.logEndOffset,
    })
    batches.push(batch.slice())
    log.append(batch)
  }
  return batches
}

/** Every batch on disk, as `[base, next, what the producer wrote]`. */
export async function contentsOf(log: Log): Promise<[number, number, string][]> {
  const batches: Uint8Array[] = []
  await log.replay(log.logStartOffset, (batch) => batches.push(batch.slice()))
  return batches.map(described)
}

/** A batch in the form of {@link contentsOf}. The storage's own stamp, before byte 48, is left out. */
export function described(batch: Uint8Array): [number, number, string] {
  return [baseOffsetOf(batch), nextOffsetOf(batch), Buffer.from(batch.subarray(48)).toString('hex')]
}

/** Everything that `read` returns from `from` up to `to`, following `nextOffset`; the base offsets. */
export async function basesFrom(
  log: Log,
  from: number,
  options: { to?: number; bytesMax?: number; wants?: (topic: string) => boolean } = {},
): Promise<number[]> {
  const bases: number[] = []
  const to = options.to ?? log.highWatermark
  for (let at = from; at < to; ) {
    const { batches, nextOffset } = await log.read({
      from: at as Offset,
      to: to as Offset,
      bytesMax: options.bytesMax ?? 1,
      ...(options.wants && { wants: options.wants }),
    })
    bases.push(...batches.map(baseOffsetOf))
    if (nextOffset <= at) throw new Error(`reading stands still at ${at}`)
    at = nextOffset
  }
  return bases
}
