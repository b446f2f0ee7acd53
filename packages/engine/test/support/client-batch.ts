import { Attribute, BatchBuilder, deflatedBatch, producerId } from '@gomq/protocol'
import { crc32, deflate } from '@gomq/protocol/node'

/** Length of the values of compressed batches. */
export const FILLED_LENGTH = 1100

/** What a batch is, beside its topic and values. */
export interface BatchShape {
  readonly id?: number
  readonly epoch?: number
  readonly sequence?: number
  readonly qos?: number
  readonly retain?: boolean
  readonly ttlMs?: number
  /** Compressed; its values are filled up with spaces, so that this gains something. */
  readonly isCompressed?: boolean
}

/** A batch as a client packs it. */
export function batchOf(topic: string, values: readonly string[], shape: BatchShape = {}): Uint8Array {
  const attributes = (shape.qos ?? 1) | (shape.retain === true ? Attribute.RETAIN : 0)
  const builder = new BatchBuilder(topic, attributes, shape.ttlMs ?? 0)
  const width = shape.isCompressed === true ? FILLED_LENGTH : 0
  for (const value of values)
    builder.append({ timestampDeltaMs: 0, key: null, value: value.padEnd(width), headers: null })
  const batch = builder.finish(
    {
      baseTimestampMs: 1_000_000,
      producerId: producerId(shape.id ?? 0),
      producerEpoch: shape.epoch ?? 0,
      firstSequence: shape.sequence ?? 0,
    },
    crc32,
  )
  return shape.isCompressed === true ? deflatedBatch(batch, deflate, crc32) : batch
}
