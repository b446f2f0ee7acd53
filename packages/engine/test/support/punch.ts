import { baseOffsetOf, sealHeader, withHoles } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'

/** Leaves holes in the batch at `base` of a log, in the place of the records at these indexes, as compaction does. */
export function punch(log: Uint8Array[], base: number, holes: readonly number[]): void {
  const at = log.findIndex((batch) => baseOffsetOf(batch) === base)
  const batch = log[at]!.slice()
  sealHeader(batch, baseOffsetOf(batch), crc32)
  log[at] = withHoles(batch, (index) => !holes.includes(index), crc32)
}
