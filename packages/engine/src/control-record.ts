import {
  Attribute,
  BatchBuilder,
  type Crc32,
  decodeMsgpack,
  decodeRecord,
  encodeMsgpack,
  GomqError,
  type Offset,
  type ProducerId,
  type RetentionPolicy,
  readU32,
  recordCountOf,
  recordsStartOf,
  tableStartOf,
} from '@gomq/protocol'
import { fromFields, toFields } from './policy-fields.js'

/** What a control batch says, one of these a record. On disk: msgpack [type, version, body...]. */
export type ControlRecord =
  | { readonly kind: 'epochStart'; readonly epoch: number; readonly brokerId: string }
  | {
      readonly kind: 'subscription'
      readonly clientId: string
      readonly name: string
      readonly filters: readonly string[]
      readonly qos: number
      /** Where the subscription goes on; everything below that is not in `unacked` is done. */
      readonly position: number
      /** Delivered and not acknowledged: half-open ranges. */
      readonly unacked: readonly number[]
    }
  | {
      readonly kind: 'cursor'
      readonly clientId: string
      readonly name: string
      readonly position: number
      readonly unacked: readonly number[]
    }
  | { readonly kind: 'forgetSubscription'; readonly clientId: string; readonly name: string }
  | { readonly kind: 'forgetProducers'; readonly producerIds: readonly number[] }
  | {
      /** A client has connected whose session outlives the connection, or who leaves a will. */
      readonly kind: 'session'
      readonly clientId: string
      readonly expirySec: number
      /** A batch of one record, as the client packed it; null: none. */
      readonly will: Uint8Array | null
      readonly willDelaySec: number
    }
  /** Its connection has ended; whether the will is owed. */
  | { readonly kind: 'sessionClosed'; readonly clientId: string; readonly atMs: number; readonly isWillOwed: boolean }
  /** The will was published, or is not owed any more. */
  | { readonly kind: 'willSettled'; readonly clientId: string }
  /** Session and durable subscriptions of the client are gone. */
  | { readonly kind: 'forgetSession'; readonly clientId: string }
  /** What is to be removed of the topics of a filter, in place of what was said of the same filter before. */
  | { readonly kind: 'policy'; readonly policy: RetentionPolicy }
  | { readonly kind: 'removePolicy'; readonly filter: string }
  /** Batches of topics that the policy of each filter governs, and that end at `before` or below, are dead from now on. */
  | { readonly kind: 'retentionTick'; readonly floors: readonly (readonly [filter: string, before: Offset])[] }

const TYPE = {
  epochStart: 1,
  subscription: 2,
  cursor: 3,
  forgetSubscription: 4,
  forgetProducers: 5,
  session: 6,
  sessionClosed: 7,
  willSettled: 8,
  forgetSession: 9,
  policy: 10,
  removePolicy: 11,
  retentionTick: 12,
} as const
const VERSION = 1
/** What is wanted by a client of many messages here and there is long, and our own: the bound on the elements of a frame is not for it. */
export const OWN_ELEMENTS_MAX: number = Number.POSITIVE_INFINITY
/** Types from here on may be skipped by a version that does not know them. */
const SKIPPABLE_FROM = 128

/** A control batch of `records`, to be stamped by the leader. */
export function encodeControlBatch(records: readonly ControlRecord[], nowMs: number, crc32: Crc32): Uint8Array {
  const builder = new BatchBuilder('', Attribute.CONTROL)
  for (const record of records)
    builder.append({ timestampDeltaMs: 0, key: null, value: encodeMsgpack(toArray(record)), headers: null })
  return builder.finish(
    { baseTimestampMs: nowMs, producerId: 0 as ProducerId, producerEpoch: 0, firstSequence: 0 },
    crc32,
  )
}

/**
 * The records of a control batch; unknown skippable ones are left out.
 * @throws GomqError UNSUPPORTED_FORMAT  a record that this version does not know and may not skip
 */
export function decodeControlBatch(batch: Uint8Array): ControlRecord[] {
  const records: ControlRecord[] = []
  const table = tableStartOf(batch)
  const start = recordsStartOf(batch)
  let from = 0
  for (let i = 0; i < recordCountOf(batch); i++) {
    const to = readU32(batch, table + 4 * i)
    const record = fromArray(decodeMsgpack(decodeRecord(batch, start + from, start + to).value, OWN_ELEMENTS_MAX))
    if (record !== undefined) records.push(record)
    from = to
  }
  return records
}

function toArray(record: ControlRecord): unknown[] {
  const head = [TYPE[record.kind], VERSION]
  switch (record.kind) {
    case 'epochStart':
      return [...head, record.epoch, record.brokerId]
    case 'subscription':
      return [...head, record.clientId, record.name, record.filters, record.qos, record.position, record.unacked]
    case 'cursor':
      return [...head, record.clientId, record.name, record.position, record.unacked]
    case 'forgetSubscription':
      return [...head, record.clientId, record.name]
    case 'forgetProducers':
      return [...head, record.producerIds]
    case 'session':
      return [...head, record.clientId, record.expirySec, record.will, record.willDelaySec]
    case 'sessionClosed':
      return [...head, record.clientId, record.atMs, record.isWillOwed]
    case 'willSettled':
    case 'forgetSession':
      return [...head, record.clientId]
    case 'policy':
      return [...head, ...toFields(record.policy)]
    case 'removePolicy':
      return [...head, record.filter]
    case 'retentionTick':
      return [...head, record.floors]
  }
}

function fromArray(value: unknown): ControlRecord | undefined {
  if (!Array.isArray(value))
    throw new GomqError('UNSUPPORTED_FORMAT', 'a control record is no array; the log was written by another program')
  const [type, version, ...body] = value as [number, number, ...unknown[]]
  if (version === VERSION) {
    const [a, b, c, d, e, f] = body as never[]
    if (type === TYPE.epochStart) return { kind: 'epochStart', epoch: a!, brokerId: b! }
    if (type === TYPE.subscription)
      return { kind: 'subscription', clientId: a!, name: b!, filters: c!, qos: d!, position: e!, unacked: f! }
    if (type === TYPE.cursor) return { kind: 'cursor', clientId: a!, name: b!, position: c!, unacked: d! }
    if (type === TYPE.forgetSubscription) return { kind: 'forgetSubscription', clientId: a!, name: b! }
    if (type === TYPE.forgetProducers) return { kind: 'forgetProducers', producerIds: a! }
    if (type === TYPE.session) return { kind: 'session', clientId: a!, expirySec: b!, will: c!, willDelaySec: d! }
    if (type === TYPE.sessionClosed) return { kind: 'sessionClosed', clientId: a!, atMs: b!, isWillOwed: c! }
    if (type === TYPE.willSettled) return { kind: 'willSettled', clientId: a! }
    if (type === TYPE.policy) return { kind: 'policy', policy: fromFields(body as never) }
    if (type === TYPE.removePolicy) return { kind: 'removePolicy', filter: a! }
    if (type === TYPE.retentionTick) return { kind: 'retentionTick', floors: a! }
    if (type === TYPE.forgetSession) return { kind: 'forgetSession', clientId: a! }
  }
  if (type >= SKIPPABLE_FROM) return undefined
  throw new GomqError(
    'UNSUPPORTED_FORMAT',
    `the log holds a control record of type ${type}, version ${version}, which this version does not know; use the newer version that wrote it`,
  )
}
