import {
  Attribute,
  attributesOf,
  baseOffsetOf,
  decodeMsgpack,
  decodeRecord,
  encodeMsgpack,
  GomqError,
  isControl,
  nextOffsetOf,
  recordsStartOf,
  topicOf,
} from '@gomq/protocol'
import { decodeControlBatch, OWN_ELEMENTS_MAX } from './control-record.js'
import { DurableSubscriptions } from './durable-subscriptions.js'
import { Policies } from './policies.js'
import { Producers } from './producers.js'
import { RetainedMessages } from './retained-messages.js'
import { Sessions } from './sessions.js'

/** Kinds of snapshot entries. On disk: msgpack [kind, ...entry]. */
const KIND = { producer: 1, durable: 2, session: 3, retained: 4, policy: 5 } as const

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

  /** Everything that has committed, for a snapshot; a live walk. */
  *entries(highWatermark: number): Generator<Uint8Array> {
    for (const entry of this.producers.entries(highWatermark)) yield encodeMsgpack([KIND.producer, ...entry])
    for (const entry of this.durables.entries()) yield encodeMsgpack([KIND.durable, ...entry])
    for (const entry of this.sessions.entries()) yield encodeMsgpack([KIND.session, ...entry])
    for (const entry of this.retained.entries()) yield encodeMsgpack([KIND.retained, ...entry])
    for (const entry of this.policies.entries()) yield encodeMsgpack([KIND.policy, ...entry])
  }

  /** Takes back one of {@link entries}. @throws GomqError UNSUPPORTED_FORMAT */
  restore(bytes: Uint8Array): void {
    const [kind, ...entry] = decodeMsgpack(bytes, OWN_ELEMENTS_MAX) as unknown[]
    if (kind === KIND.producer) this.producers.restore(entry)
    else if (kind === KIND.durable) this.durables.restore(entry)
    else if (kind === KIND.session) this.sessions.restore(entry)
    else if (kind === KIND.policy) this.policies.restore(entry)
    else if (kind === KIND.retained) this.retained.set(entry[0] as string, entry[1] as never)
    else
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
