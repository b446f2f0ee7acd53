import {
  appendTimeMsOf,
  attributesOf,
  baseOffsetOf,
  epochOf,
  isControl,
  nextOffsetOf,
  type Offset,
  producerIdOf,
  recordCountOf,
  topicMatches,
  topicOf,
} from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { type DumpedPiece, type DumpOptions, dumpLog } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import { Exit, ExitCode } from '../exit.js'
import { type PrintableMessage, plain, printable, toJson, toRow } from '../format.js'
import type { DumpFlags, LogOptions, LogRequest } from '../log-request.js'
import type { Notes } from '../notes.js'
import { Output } from '../output.js'
import { controlRecordsOf, messagesOf, type StoredControlRecord } from '../stored-records.js'

type DumpedBatch = Extract<DumpedPiece, { kind: 'batch' }>

/** Prints what the files of a log hold, as it is read. What cannot be read is named, and the end is 65. */
export async function dump(
  { directory, topics, ...flags }: Extract<LogRequest, { action: 'dump' }>,
  { json }: LogOptions,
  notes: Notes,
): Promise<void> {
  let hasReader = true
  const output = new Output(process.stdout, () => (hasReader = false))
  let unreadable = 0
  const warn = (text: string) => {
    unreadable++
    notes.warn(text)
  }
  for await (const piece of dumpLog(optionsOf(directory, flags))) {
    if (piece.kind === 'damage') {
      const { file, bytes, offsets } = piece
      warn(
        `offsets ${offsets[0]} to ${offsets[1] ?? '?'} cannot be read: ${file}, bytes ${bytes[0]} to ${bytes[1]}; see gomqctl log verify ${directory}`,
      )
      continue
    }
    if (!isWanted(piece.batch, topics, flags)) continue
    for (const line of linesOf(piece, flags, json, warn)) {
      const room = output.write(Buffer.from(`${line}\n`))
      if (room !== undefined) await room
    }
    if (!hasReader) return
  }
  await output.flush()
  if (unreadable > 0) throw new Exit(ExitCode.DATA)
}

/** A batch as it is printed: one line for itself, or one for each of its records from `from` to before `to`. */
export function* linesOf(
  piece: DumpedBatch,
  { from = 0, to = Number.POSITIVE_INFINITY, batches = false, values = 'text' }: DumpFlags,
  isJson: boolean,
  warn: (text: string) => void,
): Generator<string> {
  if (batches) {
    yield isJson ? JSON.stringify(batchOf(piece)) : Object.values(batchOf(piece)).map(cell).join('\t')
    return
  }
  for (const record of isControl(piece.batch) ? controlRecordsOf(piece.batch) : messagesOf(piece.batch)) {
    if (record.offset < from || record.offset >= to) continue
    if ('reason' in record) warn(`the record at offset ${record.offset} cannot be read: ${record.reason}`)
    else if ('type' in record) yield controlLine(record, isJson)
    else yield messageLine(record, values, isJson)
  }
}

function optionsOf(directory: string, { from, to, live = false }: DumpFlags): DumpOptions {
  return {
    fs: nodeFileSystem(),
    directory,
    crc32,
    isLive: live,
    ...(from !== undefined && { from: from as Offset }),
    ...(to !== undefined && { to: to as Offset }),
  }
}

function isWanted(batch: Uint8Array, topics: readonly string[], { control = false, batches = false }: DumpFlags) {
  if (!batches && isControl(batch) !== control) return false
  if (topics.length === 0) return true
  return !isControl(batch) && topics.some((filter) => topicMatches(filter, topicOf(batch)))
}

function batchOf({ batch, file, position }: DumpedBatch): Record<string, string | number> {
  return {
    baseOffset: baseOffsetOf(batch),
    endOffset: nextOffsetOf(batch),
    appendTime: new Date(appendTimeMsOf(batch)).toISOString(),
    epoch: epochOf(batch),
    records: recordCountOf(batch),
    bytes: batch.byteLength,
    attributes: `0x${attributesOf(batch).toString(16)}`,
    producerId: producerIdOf(batch),
    file,
    position,
    topic: isControl(batch) ? '' : topicOf(batch),
  }
}

function controlLine({ offset, type, version, body }: StoredControlRecord, isJson: boolean): string {
  if (isJson) return JSON.stringify({ offset, type, version, body: plain(body) })
  return [offset, type, version, JSON.stringify(plain(body))].join('\t')
}

function messageLine(message: PrintableMessage, values: DumpFlags['values'], isJson: boolean): string {
  const base64 = Buffer.from(message.bytes).toString('base64')
  if (isJson) {
    const { value, valueBase64, ...others } = toJson(message)
    if (values === 'none') return JSON.stringify(others)
    if (values === 'base64') return JSON.stringify({ ...others, valueBase64: base64 })
    return JSON.stringify(toJson(message))
  }
  const [offset, time, topic, key, text] = toRow(message, Number.POSITIVE_INFINITY)
  const shown = values === 'none' ? [] : [values === 'base64' ? base64 : text]
  return [offset, time, topic, key, ...shown].join('\t')
}

function cell(value: string | number): string {
  return printable(String(value))
}
