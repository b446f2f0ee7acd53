import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  decodeRecord,
  encodeMsgpack,
  GomqError,
  isControl,
  nextOffsetOf,
  type Offset,
  recordsStartOf,
  topicOf,
} from '@gomq/protocol'
import { decodeControlBatch } from './control-record.js'
import { DurableSubscriptions } from './durable-subscriptions.js'
import { Policies } from './policies.js'
import { Producers } from './producers.js'
import { RetainedMessages } from './retained-messages.js'
import { Sessions } from './sessions.js'
import { elementsOf, packedRows, type Row, RowPacker, StateRows } from './state-rows.js'

/** Kinds of state entries. On disk: msgpack blocks of {@link StateRows}, but for policies [kind, entry, entry, ...] with each entry an array. */
const KIND = { producer: 21, durable: 22, session: 23, retained: 24, policy: 15 } as const

/** Kinds of [kind, entry, entry, ...], for retained messages [kind, topic, offset, topic, offset, ...]: read, not written any more. A version that knows only these refuses the others. */
const KIND_OF_ARRAYS = { producer: 11, durable: 12, session: 13, retained: 14 } as const

/** Kinds of state entries that stand alone, [kind, ...entry]: read, not written any more. */
const KIND_ALONE = { producer: 1, durable: 2, session: 3, retained: 4 } as const

/** State entries in one entry of a snapshot: together they are read several times as fast as alone, and written well within a slice of the walk. */
const ENTRIES_PER_BLOCK = 64

/**
 * What the log says: the fold over every batch below the high watermark. The same on a leader, a member and in recovery, because it
 * reads nothing but the log. Each part ignores what is older than what it has, so that a stretch may be applied twice (fuzzy snapshots).
 *
 * The producers' windows alone are ahead: they hold appended batches that have not committed, since both decide whether a batch is new.
 */
export class CommittedState {
  readonly producers: Producers = new Producers()
  readonly durables: DurableSubscriptions = new DurableSubscriptions()
  readonly sessions: Sessions = new Sessions()
  readonly retained: RetainedMessages = new RetainedMessages()
  readonly policies: Policies = new Policies()

  /** Counts of the moment, for people and metrics. */
  get stats(): Readonly<Record<string, number>> {
    return {
      durableSubscriptions: this.durables.count,
      sessions: this.sessions.count,
      retainedMessages: this.retained.count,
      producers: this.producers.count,
      policies: this.policies.count,
    }
  }

  /** A committed batch from recovery, or one that a leader sent: everything in it. */
  replay(batch: Uint8Array): void {
    this.producers.apply(batch)
    this.apply(batch)
  }

  /** A batch of this leader's has committed; its producer's window has it already. */
  apply(batch: Uint8Array): void {
    if (isControl(batch)) this.#applyControl(batch)
    else if (attributesOf(batch) & Attribute.RETAIN) this.#applyRetained(batch)
  }

  /**
   * Whether retention has removed the batch of `topic`, or may at any time: it ends at the floor of the policy that governs the topic, or
   * below, and is not the topic's retained message.
   */
  isDead(topic: string, batch: Uint8Array): boolean {
    const end = nextOffsetOf(batch)
    if (end > this.policies.floorMax) return false
    const entry = this.policies.for(topic)
    if (entry === undefined || end > entry.before) return false
    return !(attributesOf(batch) & Attribute.RETAIN) || this.retained.offsetOf(topic) !== baseOffsetOf(batch)
  }

  /**
   * Everything that has committed, for a snapshot; a live walk.
   * @param perBlock  state entries of a kind in one entry of the snapshot
   */
  *entries(highWatermark: number, perBlock: number = ENTRIES_PER_BLOCK): Generator<Uint8Array> {
    yield* packedRows(KIND.producer, this.producers.entries(highWatermark), perBlock)
    yield* packedRows(KIND.durable, this.durables.entries(), perBlock)
    yield* packedRows(KIND.session, this.sessions.entries(), perBlock)
    const retained = new RowPacker(KIND.retained)
    for (const walk = this.retained.walk(); walk.next(); ) {
      retained.add(walk.topic)
      retained.add(walk.offset)
      if (retained.endRow() >= perBlock) yield encodeMsgpack(retained.take())
    }
    if (retained.count > 0) yield encodeMsgpack(retained.take())
    yield* blocks(KIND.policy, this.policies.entries(), perBlock)
  }

  /** Takes back one of {@link entries}. @returns how many state entries it holds @throws GomqError UNSUPPORTED_FORMAT */
  restore(bytes: Uint8Array): number {
    const elements = elementsOf(bytes)
    const kind = elements[0]
    if (kind === KIND.policy) {
      for (let i = 1; i < elements.length; i++) this.policies.restore(elements[i] as unknown[])
      return elements.length - 1
    }
    const part = this.#partOf(kind)
    const rows = isOf(KIND, kind) ? new StateRows(elements) : StateRows.of(rowsAsBefore(kind, elements.slice(1)))
    for (let left = rows.count; left > 0; left--) part(rows)
    return rows.count
  }

  /** Takes back the next row of a kind. @throws GomqError UNSUPPORTED_FORMAT */
  #partOf(kind: unknown): (rows: StateRows) => void {
    if (isKind('producer', kind)) return (rows) => this.producers.restore(rows)
    if (isKind('durable', kind)) return (rows) => this.durables.restore(rows)
    if (isKind('session', kind)) return (rows) => this.sessions.restore(rows)
    if (isKind('retained', kind)) return (rows) => this.retained.set(rows.text(), rows.number() as Offset)
    throw new GomqError(
      'UNSUPPORTED_FORMAT',
      `the snapshot holds an entry of kind ${String(kind)}, which this version does not know; use the newer version that wrote it`,
    )
  }

  #applyControl(batch: Uint8Array): void {
    let offset = baseOffsetOf(batch)
    for (const record of decodeControlBatch(batch)) {
      if (record.kind === 'forgetProducers') this.producers.forget(record.producerIds, offset)
      else {
        this.sessions.apply(record, offset)
        this.durables.apply(record, offset)
        this.policies.apply(record, offset)
      }
      offset++
    }
  }

  #applyRetained(batch: Uint8Array): void {
    const topic = topicOf(batch)
    const known = this.retained.offsetOf(topic)
    if (known !== undefined && known >= baseOffsetOf(batch)) return
    if (isClearing(batch)) this.retained.clear(topic)
    else this.retained.set(topic, baseOffsetOf(batch))
  }
}

/** Whether a retained batch holds an empty message, which clears the topic [MQTT-3.3.1-10]. */
export function isClearing(batch: Uint8Array): boolean {
  const start = recordsStartOf(batch)
  try {
    return decodeRecord(batch, start, batch.byteLength).value.byteLength === 0
  } catch (error) {
    // A record that cannot be decoded is kept as it is: the consumer is told.
    if (error instanceof GomqError && error.code === 'BAD_RECORD') return false
    throw error
  }
}

function isKind(part: keyof typeof KIND_ALONE, kind: unknown): boolean {
  return kind === KIND[part] || kind === KIND_OF_ARRAYS[part] || kind === KIND_ALONE[part]
}

function isOf(kinds: Readonly<Record<string, number>>, kind: unknown): boolean {
  return Object.values(kinds).includes(kind as number)
}

/** The rows of an entry as earlier versions wrote it. */
function rowsAsBefore(kind: unknown, elements: readonly unknown[]): Row[] {
  if (isOf(KIND_ALONE, kind)) return [elements]
  if (kind !== KIND_OF_ARRAYS.retained) return elements as Row[]
  return Array.from({ length: elements.length / 2 }, (_, i) => elements.slice(2 * i, 2 * i + 2))
}

function* blocks(kind: number, entries: Iterable<unknown[]>, perBlock: number): Generator<Uint8Array> {
  let block: unknown[] = [kind]
  for (const entry of entries) {
    if (block.push(entry) <= perBlock) continue
    yield encodeMsgpack(block)
    block = [kind]
  }
  if (block.length > 1) yield encodeMsgpack(block)
}
