import {
  batchBytesOf,
  type Crc32,
  concatBytes,
  decodeMsgpack,
  type Epoch,
  encodeMsgpack,
  GomqError,
  HEADER_BYTES,
  isBatchIntact,
  type Offset,
  readU32,
  writeU32,
} from '@gomq/protocol'
import type { ReplicaMessage } from './messages.js'
import type { EpochStart } from './replica-log.js'

/** Bytes of the length in front of a frame. */
const LENGTH_BYTES = 4
/** Where what follows the length has the checksum of its head, and the head. */
const CHECKSUM_AT = LENGTH_BYTES
const HEAD_AT = 2 * LENGTH_BYTES

/** Number of each kind on the wire. */
const TYPE = {
  hello: 1,
  welcome: 2,
  refuse: 3,
  cut: 4,
  reset: 5,
  snapshot: 6,
  chunk: 7,
  append: 8,
  cleaned: 9,
  cleanedBatches: 10,
  cleanedEnd: 11,
  synced: 12,
  handover: 13,
} as const satisfies Record<ReplicaMessage['kind'], number>

/**
 * The bytes of a message, as chunks to be written one behind the other; batches are in them as they are, by reference.
 *
 *     u32 length of what follows | u32 head bytes | u32 CRC-32 of the head | head: msgpack [type, field, ...] | body
 *
 * The body holds batches, one behind the other, or the bytes of a chunk; nothing for the others. They have checksums of their own, as a snapshot has. A
 * damaged length makes heads be looked for where none are. Little-endian.
 */
export function encodeMessage(message: ReplicaMessage, crc32: Crc32): Uint8Array[] {
  const head = encodeMsgpack([TYPE[message.kind], ...fieldsOf(message)])
  const body = bodyOf(message)
  let bytes = HEAD_AT + head.byteLength
  for (const part of body) bytes += part.byteLength
  const front = new Uint8Array(LENGTH_BYTES + HEAD_AT)
  writeU32(front, 0, bytes)
  writeU32(front, LENGTH_BYTES, head.byteLength)
  writeU32(front, LENGTH_BYTES + CHECKSUM_AT, crc32(head))
  return [concatBytes([front, head]), ...body]
}

/**
 * The message in a frame, without its length. Batches are views on it, each whole by its own header and with both checksums right: this is the one
 * place where a member verifies them, whatever it does with them behind it.
 * @throws GomqError MALFORMED_FRAME  it is none, or its head was damaged on its way
 * @throws GomqError CORRUPT_BATCH    a batch was damaged on its way
 */
export function decodeMessage(frame: Uint8Array, crc32: Crc32): ReplicaMessage {
  const bodyAt = frame.byteLength < HEAD_AT ? Number.POSITIVE_INFINITY : HEAD_AT + readU32(frame, 0)
  if (bodyAt > frame.byteLength) throw malformed('it is cut short')
  const head = frame.subarray(HEAD_AT, bodyAt)
  if (crc32(head) !== readU32(frame, CHECKSUM_AT))
    throw malformed('its head fails its checksum; it was damaged on the way')
  const values = decodeMsgpack(head)
  if (!Array.isArray(values)) throw malformed('its head is no list')
  const fields = new Fields(values)
  const body = frame.subarray(bodyAt)
  switch (fields.number('type')) {
    case TYPE.hello:
      return {
        kind: 'hello',
        clusterUuid: fields.text('cluster'),
        id: fields.text('id'),
        storeId: fields.text('store id'),
        epoch: fields.number('epoch') as Epoch,
      }
    case TYPE.welcome:
      return {
        kind: 'welcome',
        id: fields.text('id'),
        storeId: fields.text('store id'),
        logStartOffset: fields.offset('log start'),
        logEndOffset: fields.offset('log end'),
        highWatermark: fields.offset('high watermark'),
        appliedOffset: fields.offset('applied offset'),
        epochStarts: fields.epochStarts(),
      }
    case TYPE.refuse:
      return { kind: 'refuse', epoch: fields.number('epoch') as Epoch, reason: fields.text('reason') }
    case TYPE.cut:
      return { kind: 'cut', offset: fields.offset('offset'), highWatermark: fields.offset('high watermark') }
    case TYPE.reset:
      return { kind: 'reset', offset: fields.offset('offset') }
    case TYPE.snapshot:
      return { kind: 'snapshot', beginOffset: fields.offset('begin'), bytes: fields.number('bytes') }
    case TYPE.chunk:
      return { kind: 'chunk', bytes: body }
    case TYPE.append:
      return { kind: 'append', highWatermark: fields.offset('high watermark'), batches: splitBatches(body, crc32) }
    case TYPE.cleaned:
      return { kind: 'cleaned', endOffset: fields.offset('end'), epochStarts: fields.epochStarts() }
    case TYPE.cleanedBatches:
      return { kind: 'cleanedBatches', batches: splitBatches(body, crc32) }
    case TYPE.cleanedEnd:
      return { kind: 'cleanedEnd' }
    case TYPE.synced:
      return { kind: 'synced', offset: fields.offset('offset') }
    case TYPE.handover:
      return { kind: 'handover' }
    default:
      throw malformed('its type is unknown; a newer version may have sent it')
  }
}

function fieldsOf(message: ReplicaMessage): unknown[] {
  switch (message.kind) {
    case 'hello':
      return [message.clusterUuid, message.id, message.storeId, message.epoch]
    case 'welcome':
      return [
        message.id,
        message.storeId,
        message.logStartOffset,
        message.logEndOffset,
        message.highWatermark,
        message.appliedOffset,
        flat(message.epochStarts),
      ]
    case 'refuse':
      return [message.epoch, message.reason]
    case 'cut':
      return [message.offset, message.highWatermark]
    case 'snapshot':
      return [message.beginOffset, message.bytes]
    case 'append':
      return [message.highWatermark]
    case 'cleaned':
      return [message.endOffset, flat(message.epochStarts)]
    case 'reset':
    case 'synced':
      return [message.offset]
    case 'chunk':
    case 'cleanedBatches':
    case 'cleanedEnd':
    case 'handover':
      return []
  }
}

function bodyOf(message: ReplicaMessage): readonly Uint8Array[] {
  if (message.kind === 'append' || message.kind === 'cleanedBatches') return message.batches
  return message.kind === 'chunk' ? [message.bytes] : []
}

function flat(starts: readonly EpochStart[]): number[] {
  return starts.flatMap(({ epoch, startOffset }) => [epoch, startOffset])
}

function splitBatches(body: Uint8Array, crc32: Crc32): Uint8Array[] {
  const batches: Uint8Array[] = []
  for (let at = 0; at < body.byteLength; ) {
    const rest = body.subarray(at)
    const bytes = rest.byteLength < HEADER_BYTES ? 0 : batchBytesOf(rest)
    if (bytes < HEADER_BYTES || bytes > rest.byteLength) throw malformed('a batch in it is cut short')
    const batch = rest.subarray(0, bytes)
    if (!isBatchIntact(batch, crc32))
      throw new GomqError('CORRUPT_BATCH', 'a batch from another broker fails its checksum; it was damaged on the way')
    batches.push(batch)
    at += bytes
  }
  return batches
}

/** Takes the fields of a head in their order. More than are asked for do no harm. */
class Fields {
  readonly #values: readonly unknown[]
  #at = 0

  constructor(values: readonly unknown[]) {
    this.#values = values
  }

  number(name: string): number {
    const value = this.#values[this.#at++]
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw malformed(`its ${name} is no whole number`)
    return value as number
  }

  offset(name: string): Offset {
    return this.number(name) as Offset
  }

  text(name: string): string {
    const value = this.#values[this.#at++]
    if (typeof value !== 'string') throw malformed(`its ${name} is no text`)
    return value
  }

  epochStarts(): EpochStart[] {
    const list = new Fields(this.#list('epochs'))
    const starts: EpochStart[] = []
    while (!list.isDone) starts.push({ epoch: list.number('epoch') as Epoch, startOffset: list.offset('start') })
    return starts
  }

  get isDone(): boolean {
    return this.#at >= this.#values.length
  }

  #list(name: string): readonly unknown[] {
    const value = this.#values[this.#at++]
    if (!Array.isArray(value)) throw malformed(`its ${name} are no list`)
    return value
  }
}

function malformed(what: string): GomqError {
  return new GomqError('MALFORMED_FRAME', `a message from another broker cannot be read: ${what}`)
}
