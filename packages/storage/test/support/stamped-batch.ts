import { BatchBuilder, epoch, offset, producerId, stampLeader } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'

/** A batch as a leader hands it to the log: `records` texts of `valueBytes` characters, each naming its own offset. */
export function stampedBatch(options: {
  baseOffset: number
  records?: number
  valueBytes?: number
  topic?: string
  epoch?: number
  appendTimeMs?: number
}): Uint8Array {
  const { baseOffset, records = 1, valueBytes = 20, topic = 'a', appendTimeMs = 1000 + baseOffset } = options
  const builder = new BatchBuilder(topic, 1)
  for (let i = 0; i < records; i++) {
    builder.append({
      timestampDeltaMs: 0,
      key: null,
      value: `${baseOffset + i}:`.padEnd(valueBytes, '.'),
      headers: null,
    })
  }
  const producer = { baseTimestampMs: appendTimeMs, producerId: producerId(0), producerEpoch: 0, firstSequence: 0 }
  const batch = builder.finish(producer, crc32)
  stampLeader(batch, offset(baseOffset), epoch(options.epoch ?? 1), appendTimeMs)
  return batch
}
