import { nextOffsetOf, type Offset, PacketType, topicOf } from '@gomq/protocol'
import type { Outbox } from './outbox.js'
import { type Policies, type ThinnedBounds, thinnedBounds } from './policies.js'
import type { Subscription } from './subscription.js'

/**
 * Moves the positions of subscriptions over what is not delivered to them. What they were to get there and is gone leaves `unacked`, so that no
 * cursor waits for what nobody can deliver, and is told with MISSED where retention is the reason.
 *
 * A stretch that was missed is told once: it grows while nothing is delivered, and goes out with {@link tell} before whatever comes next.
 */
export class Passing {
  readonly #outbox: Outbox
  readonly #policies: Policies

  constructor(outbox: Outbox, policies: Policies) {
    this.#outbox = outbox
    this.#policies = policies
  }

  /**
   * A read found nothing for the subscription from its position to `to`.
   *
   * Where batches are missing from the log, what stands in `unacked` there may be gone, or be of a topic that the subscription does not want any
   * more; then its position stays there, and it is to be read again with all topics.
   *
   * @param isThinned  whether batches may be missing there
   * @returns whether the position is at `to` now
   */
  gap(subscription: Subscription, to: Offset, isThinned: boolean): boolean {
    if (to <= subscription.position) return true
    if (isThinned) {
      const { position, resumeAt, unacked } = subscription
      const lost = position < resumeAt ? unacked.within(position, Math.min(to, resumeAt)) : []
      if (lost.length > 0 && subscription.isResumed && !subscription.readsAllTopics) {
        subscription.readsAllTopics = true
        subscription.position = lost[0] as Offset
        return false
      }
      this.#lose(subscription, to, lost)
    }
    this.#moveTo(subscription, to)
    return true
  }

  /** Everything below `logStartOffset` is gone; the position, which is below it, goes there. */
  belowStart(subscription: Subscription, logStartOffset: Offset): void {
    const { position, resumeAt, unacked } = subscription
    const lost = position < resumeAt ? unacked.within(position, Math.min(logStartOffset, resumeAt)) : []
    this.#lose(subscription, logStartOffset, lost)
    this.#moveTo(subscription, logStartOffset)
  }

  /** Nothing from `from` to `to` is delivered to the subscription, which asked for it: the log begins above. */
  skipped(subscription: Subscription, from: Offset, to: Offset): void {
    this.#miss(subscription, from, to)
  }

  /** A batch is dead: the subscription misses of it what it was to get. */
  dead(subscription: Subscription, batch: Uint8Array): void {
    const wanted = subscription.wantedOf(batch)
    if (wanted.length > 0 && !this.#wasDeadBefore(subscription, batch)) {
      const isOwed = subscription.isResumed || wanted[0]! >= subscription.resumeAt
      if (isOwed) grow(subscription, wanted[0]!, wanted.at(-1)!)
    }
    this.drop(subscription, batch)
  }

  /** A batch is not delivered any more; there will be no acknowledgement for it. */
  drop(subscription: Subscription, batch: Uint8Array): void {
    const next = nextOffsetOf(batch)
    this.forget(subscription, subscription.position, next)
    this.#moveTo(subscription, next)
  }

  /** Takes [from, to) out of what is to be delivered or acknowledged. */
  forget(subscription: Subscription, from: number, to: number): void {
    if (subscription.unacked.remove(from, to) > 0 && subscription.keepsAcks) subscription.isCursorDirty = true
  }

  /** Tells of what was missed since the last time, if anything was. */
  tell(subscription: Subscription): void {
    const { missedFrom, missedTo } = subscription
    if (missedTo === 0) return
    subscription.missedTo = 0
    this.#outbox.send(subscription.connection.id, {
      type: PacketType.MISSED,
      subscriptionId: subscription.id,
      from: missedFrom as Offset,
      to: missedTo as Offset,
    })
  }

  /** @param lost  what stands in `unacked` between the position and `to`, and is gone */
  #lose(subscription: Subscription, to: Offset, lost: readonly number[]): void {
    const { position, resumeAt, earlyAcks, isResumed } = subscription
    if (lost.length > 0) {
      this.forget(subscription, lost[0]!, lost.at(-1)!)
      // A retained message that a new subscription was to get was replaced by another, which it gets.
      if (isResumed) this.#miss(subscription, lost[0]!, lost.at(-1)!)
    }
    const rest = Math.max(position, resumeAt)
    if (rest >= to) return
    const gaps = earlyAcks.isEmpty ? [rest, to] : earlyAcks.gaps(rest, to)
    if (gaps.length > 0) this.#miss(subscription, gaps[0]!, gaps.at(-1)!)
  }

  /** The part of the stretch where retention may have been at work counts as missed. */
  #miss(subscription: Subscription, from: number, to: number): void {
    const bounds = this.#boundsOf(subscription)
    grow(subscription, Math.max(from, bounds.from), Math.min(to, bounds.to))
  }

  #boundsOf(subscription: Subscription): ThinnedBounds {
    const { floors } = this.#policies
    if (subscription.thinned?.floors !== floors) {
      const bounds = thinnedBounds(floors, subscription.filters, subscription.floorsAtStart)
      subscription.thinned = { floors, bounds }
    }
    return subscription.thinned.bounds
  }

  #wasDeadBefore({ floorsAtStart }: Subscription, batch: Uint8Array): boolean {
    if (floorsAtStart === undefined) return false
    const entry = this.#policies.for(topicOf(batch))
    return entry !== undefined && nextOffsetOf(batch) <= (floorsAtStart.byFilter.get(entry.filter) ?? 0)
  }

  /** What was acknowledged before its turn, and is behind the position now, is kept by the cursor. */
  #moveTo(subscription: Subscription, to: Offset): void {
    subscription.position = to
    subscription.passEarlyAcks()
  }
}

function grow(subscription: Subscription, from: number, to: number): void {
  if (from >= to) return
  subscription.missedFrom = subscription.missedTo === 0 ? from : Math.min(subscription.missedFrom, from)
  subscription.missedTo = Math.max(subscription.missedTo, to)
}
