import {
  baseOffsetOf,
  baseTimestampMsOf,
  CONTENT_TYPE_HEADER,
  decodeMsgpack,
  decodeRecord,
  inflatedBatch,
  MSGPACK_CONTENT_TYPE,
  type Offset,
  readU32,
  recordCountOf,
  recordsStartOf,
  tableStartOf,
  topicOf,
} from '@gomq/protocol'
import { crc32, inflate } from '@gomq/protocol/node'
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

/** The messages of a stored batch, compressed or not, with their offsets. Those that compaction removed are left out. */
export function* messagesOf(stored: Uint8Array): Generator<PrintableMessage | UnreadableRecord> {
  let batch: Uint8Array
  try {
    batch = inflatedBatch(stored, inflate, crc32)
  } catch (error) {
    const base = baseOffsetOf(stored)
    for (let i = 0; i < recordCountOf(stored); i++)
      yield { offset: (base + i) as Offset, reason: (error as Error).message }
    return
  }
  const topic = topicOf(batch)
  const baseTimestampMs = baseTimestampMsOf(batch)
  for (const record of recordsOf(batch)) {
    const { offset, start, end } = record
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
}

function* recordsOf(batch: Uint8Array): Generator<RecordPlace> {
  const table = tableStartOf(batch)
  const records = recordsStartOf(batch)
  const base = baseOffsetOf(batch)
  let start = 0
  for (let i = 0; i < recordCountOf(batch); i++) {
    const offset = (base + i) as Offset
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
