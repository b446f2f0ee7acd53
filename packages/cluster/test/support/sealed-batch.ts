import {
  BatchBuilder,
  type Epoch,
  encodeUtf8,
  type Offset,
  type ProducerId,
  sealHeader,
  stampLeader,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'

/** A batch of one message as it stands in a leader's log. */
export function sealedBatch(offset: number, epoch = 1, value = `message ${offset}`): Uint8Array {
  const builder = new BatchBuilder('t', 0)
  builder.append({ timestampDeltaMs: 0, key: null, value: encodeUtf8(value), headers: null })
  const batch = builder.finish(
    { baseTimestampMs: 0, producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 },
    crc32,
  )
  stampLeader(batch, offset as Offset, epoch as Epoch, 0)
  sealHeader(batch, 0 as Offset, crc32)
  return batch
}
