import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  baseTimestampMsOf,
  CONTENT_TYPE_HEADER,
  decodeMsgpack,
  decodeRecord,
  MSGPACK_CONTENT_TYPE,
  type Offset,
  readU32,
  recordCountOf,
  recordsStartOf,
  tableStartOf,
  topicOf,
} from '@gomq/protocol'
import type { PrintableMessage } from './format.js'

/** A record of a stored batch that cannot be printed, and why. */
export interface UnreadableRecord {
  readonly offset: Offset
  readonly reason: string
}

/** A control record: what the broker keeps of itself. The numbers of the types are the engine's. */
export interface StoredControlRecord {
  readonly offset: Offset
  readonly type: number
  readonly version: number
  readonly body: readonly unknown[]
}

/** The messages of a stored batch with their offsets. Those that compaction removed are left out. */
export function* messagesOf(batch: Uint8Array): Generator<PrintableMessage | UnreadableRecord> {
  const topic = topicOf(batch)
  const baseTimestampMs = baseTimestampMsOf(batch)
  for (const record of recordsOf(batch)) {
    const { offset, start, end } = record
    if ('reason' in record) {
      yield { offset, reason: record.reason! }
      continue
    }
    try {
      const { timestampDeltaMs, key, value, isText, headers } = decodeRecord(batch, start, end)
      const isPacked = !isText && headers?.[CONTENT_TYPE_HEADER] === MSGPACK_CONTENT_TYPE
      yield {
        topic,
        offset,
        timestamp: baseTimestampMs + timestampDeltaMs,
        key,
        bytes: value,
        value: isPacked ? unpacked(value) : value,
        headers,
      }
    } catch (error) {
      yield { offset, reason: (error as Error).message }
    }
  }
}

/** The records of a control batch. */
export function* controlRecordsOf(batch: Uint8Array): Generator<StoredControlRecord | UnreadableRecord> {
  for (const record of recordsOf(batch)) {
    const { offset, start, end } = record
    try {
      const decoded = decodeMsgpack(decodeRecord(batch, start, end).value, Number.POSITIVE_INFINITY)
      const [type, version, ...body] = decoded as [number, number, ...unknown[]]
      yield { offset, type, version, body }
    } catch (error) {
      yield { offset, reason: (error as Error).message }
    }
  }
}

interface RecordPlace {
  readonly offset: Offset
  readonly start: number
  readonly end: number
  readonly reason?: string
}

function* recordsOf(batch: Uint8Array): Generator<RecordPlace> {
  const table = tableStartOf(batch)
  const records = recordsStartOf(batch)
  const base = baseOffsetOf(batch)
  const isCompressed = (attributesOf(batch) & Attribute.COMPRESSION_MASK) !== 0
  let start = 0
  for (let i = 0; i < recordCountOf(batch); i++) {
    const offset = (base + i) as Offset
    if (isCompressed) {
      yield { offset, start: 0, end: 0, reason: 'its batch is compressed' }
      continue
    }
    const end = readU32(batch, table + 4 * i)
    // A hole that compaction left has no bytes.
    if (end > start) yield { offset, start: records + start, end: records + end }
    start = Math.max(start, end)
  }
}

function unpacked(value: Uint8Array): unknown {
  try {
    return decodeMsgpack(value)
  } catch {
    return value
  }
}
