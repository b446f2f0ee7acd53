import { baseOffsetOf, type Offset, OffsetRanges, recordCountOf, topicMatches } from '@gomq/protocol'
import { HoldBudget } from './hold-budget.js'
import { SHORT_CREDIT_SHARE } from './limits.js'
import type { Floors, ThinnedBounds } from './policies.js'
import type { Subscriber } from './subscriber.js'

/** `waiting`: its control record has not committed. `catchingUp`: reads the log. `tailing`: gets batches as they commit. */
export type SubscriptionState = 'waiting' | 'catchingUp' | 'tailing' | 'closed'

/** An ACK that is to be answered. */
export interface AckRequest {
  readonly requestId: number
  /** The cursor has to be here, or beyond, for the acknowledgement to be kept. */
  readonly position: number
}

/** A subscription attached to a connection: volatile, gone with it. */
export class Subscription {
  readonly connection: Subscriber
  readonly id: number
  readonly filters: readonly string[]
  readonly qos: number
  /** Name of the durable subscription behind it, or null. */
  readonly name: string | null
  /** Whether a durable subscription of this name was there before. */
  readonly isResumed: boolean
  state: SubscriptionState = 'waiting'
  creditMessages: number
  creditBytes: number
  /** Next offset to look at while catching up; while tailing it is the high watermark. */
  position: Offset
  /** Where it begins. Below it only what stands in {@link unacked} is delivered: the rest was acknowledged before, or was never asked for. */
  resumeAt: Offset
  /**
   * What is to be delivered below {@link resumeAt} (not acknowledged before, or retained when the subscription was new), and, for
   * subscriptions that keep acknowledgements, everything that was delivered and is not acknowledged.
   */
  readonly unacked: OffsetRanges = new OffsetRanges()
  /**
   * Of the retained messages that a new subscription is to get, those below have been found and stand in {@link unacked}. {@link resumeAt} at
   * most, which means all of them.
   */
  retainedTo: Offset
  /** Whether the next ones are being looked for: nothing is read meanwhile. */
  isSearching: boolean = false
  /** Token of the read that is under way; 0: none. */
  readToken: number = 0
  /** Whether the cursor differs from what is persisted or being persisted. */
  isCursorDirty: boolean = false
  /** Position that was persisted last. */
  persistedPosition: number
  /**
   * Acknowledged by a client that got them on an earlier connection, and not yet passed on this one: they are passed over when their
   * turn comes. At or above {@link resumeAt} and the position.
   */
  readonly earlyAcks: OffsetRanges = new OffsetRanges()
  /** Whether more was acknowledged early than is kept, and the client was not told. */
  hasLostAcks: boolean = false
  /** What was dead when it began, for one that began with what there was: it did not miss that. */
  readonly floorsAtStart: Floors | undefined
  /** Missed and not told: [missedFrom, missedTo). 0: nothing. */
  missedFrom: number = 0
  missedTo: number = 0
  /** Whether reads below {@link resumeAt} bring all topics: what they do not bring is gone. */
  readsAllTopics: boolean = false
  /** Where retention may have removed something for it, by these floors. */
  thinned: { readonly floors: Floors; readonly bounds: ThinnedBounds } | undefined
  /** ACK requests that wait for a cursor which covers them. */
  ackRequests: AckRequest[] = []
  /** Whether a publisher was held for it for as long as may be, and it has got no credit since. */
  isStalled: boolean = false
  readonly holdBudget: HoldBudget = new HoldBudget()
  /** Until then no publisher is held for it again. */
  slowUntilMs: number = 0
  /** The most credit that it ever had. */
  #fullMessages: number
  #fullBytes: number
  readonly #decisions = new Map<string, boolean>()

  constructor(init: {
    connection: Subscriber
    id: number
    filters: readonly string[]
    qos: number
    name: string | null
    creditMessages: number
    creditBytes: number
    position: Offset
    unacked: readonly number[]
    isResumed: boolean
    getsRetained: boolean
    floorsAtStart?: Floors | undefined
  }) {
    this.connection = init.connection
    this.id = init.id
    this.filters = init.filters
    this.qos = init.qos
    this.name = init.name
    this.isResumed = init.isResumed
    this.floorsAtStart = init.floorsAtStart
    this.creditMessages = init.creditMessages
    this.creditBytes = init.creditBytes
    this.#fullMessages = init.creditMessages
    this.#fullBytes = init.creditBytes
    this.resumeAt = init.position
    this.persistedPosition = init.position
    this.position = init.position
    this.retainedTo = init.getsRetained ? (0 as Offset) : init.position
    for (let i = 0; i < init.unacked.length; i += 2) this.unacked.add(init.unacked[i]!, init.unacked[i + 1]!)
    this.goBack()
  }

  /** Begins with what stands in {@link unacked}. Before it stands. */
  goBack(): void {
    this.position = Math.min(this.position, this.unacked.min ?? this.position) as Offset
  }

  /** Whether acknowledgements are kept. */
  get keepsAcks(): boolean {
    return this.name !== null && this.qos > 0
  }

  get hasCredit(): boolean {
    return this.creditMessages > 0 && this.creditBytes > 0
  }

  /** Whether it can be given little more for now: most of its credit is used, or its connection takes no more. */
  get isShort(): boolean {
    return (
      this.connection.isBlocked ||
      this.creditMessages < this.#fullMessages * SHORT_CREDIT_SHARE ||
      this.creditBytes < this.#fullBytes * SHORT_CREDIT_SHARE
    )
  }

  /** More may be delivered. Credit beyond 2^32 - 1 is no more than that. */
  addCredit(messages: number, bytes: number): void {
    this.creditMessages = Math.min(this.creditMessages + messages, 0xffff_ffff)
    this.creditBytes = Math.min(this.creditBytes + bytes, 0xffff_ffff)
    this.#fullMessages = Math.max(this.#fullMessages, this.creditMessages)
    this.#fullBytes = Math.max(this.#fullBytes, this.creditBytes)
  }

  /** Whether one of the filters matches; the answer is remembered. */
  wants(topic: string): boolean {
    let wanted = this.#decisions.get(topic)
    if (wanted === undefined) {
      wanted = this.filters.some((filter) => topicMatches(filter, topic))
      if (this.#decisions.size >= 1024) this.#decisions.clear()
      this.#decisions.set(topic, wanted)
    }
    return wanted
  }

  /**
   * Of a batch, from the position on, as offsets: below {@link resumeAt} only what is unacknowledged, from there on everything that was not
   * acknowledged early.
   */
  wantedOf(batch: Uint8Array): number[] {
    const { resumeAt, unacked, earlyAcks } = this
    const from = Math.max(baseOffsetOf(batch), this.position)
    const end = baseOffsetOf(batch) + recordCountOf(batch)
    const wanted = from < resumeAt ? unacked.within(from, Math.min(end, resumeAt)) : []
    const rest = Math.max(from, resumeAt)
    if (rest < end) {
      if (earlyAcks.isEmpty) wanted.push(rest, end)
      else wanted.push(...earlyAcks.gaps(rest, end))
    }
    return wanted
  }

  /** What was acknowledged before its turn, and is behind the position now, is kept by the cursor. */
  passEarlyAcks(): void {
    if (this.earlyAcks.isEmpty) return
    if (this.earlyAcks.remove(0, this.position) > 0) this.isCursorDirty = true
  }

  /** Where a restart would go on: everything below is acknowledged or stands in {@link unacked}. */
  cursorPosition(highWatermark: Offset): number {
    return Math.max(this.resumeAt, this.state === 'tailing' ? highWatermark : this.position)
  }
}
