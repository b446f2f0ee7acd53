import type { Offset } from '@gomq/protocol'
import { REPLAY_BYTES } from './limits.js'
import type { ReadRequest, ReadResult } from './log-reader.js'
import { ReadBuffer } from './read-buffer.js'

/** See `Log.replay`. */
export async function replayLog(
  log: { read(request: ReadRequest): Promise<ReadResult> },
  from: Offset,
  to: Offset,
  visit: (batch: Uint8Array) => void,
): Promise<void> {
  // One is read into while the other is visited.
  let buffer = new ReadBuffer(REPLAY_BYTES)
  let other = new ReadBuffer(REPLAY_BYTES)
  const read = (at: Offset) => {
    buffer.reset()
    const result = log.read({ from: at, to, bytesMax: REPLAY_BYTES, buffer })
    // When a visit throws, nobody waits for the next step any more.
    result.catch(() => undefined)
    const used = buffer
    buffer = other
    other = used
    return result
  }
  let next: Promise<ReadResult> | undefined = read(from)
  while (next !== undefined) {
    const { batches, nextOffset }: ReadResult = await next
    // The disk reads the next step while this one is folded.
    next = nextOffset < to ? read(nextOffset) : undefined
    for (const batch of batches) visit(batch)
  }
}
