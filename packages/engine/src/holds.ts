import { HOLD_MS_MAX, SLOW_SUBSCRIBER_MS } from './limits.js'
import type { Outbox } from './outbox.js'
import type { Subscription } from './subscription.js'

/**
 * Holds the publishers of messages that are in no log while somebody who listens is a moment behind: such a message is lost to who has no
 * credit (docs/decisions/0028).
 *
 *     credit runs short -> hold the publisher -> credit comes     -> release it; if the budget of the subscription is used up, it is slow
 *                                             -> HOLD_MS_MAX over -> release it; the subscription is slow, and stalled
 *
 * For a slow one nobody is held before SLOW_SUBSCRIBER_MS have passed; for one that is stalled, before it has got credit again as well.
 */
export class Holds {
  readonly #outbox: Outbox
  /** Publishers that are held, and for whom; both ways. */
  readonly #held = new Map<number, Set<Subscription>>()
  readonly #waitedFor = new Map<Subscription, Set<number>>()

  constructor(outbox: Outbox) {
    this.#outbox = outbox
  }

  /**
   * A message of the publisher went to a subscription that is short of credit or room, or was lost to it.
   * @param publisherId  its connection; 0 for none. Nobody is held for a subscription of its own, whose credit it brings itself
   */
  hold(publisherId: number, subscription: Subscription, nowMs: number): void {
    if (publisherId === 0 || publisherId === subscription.connection.id) return
    if (subscription.isStalled || nowMs < subscription.slowUntilMs) return
    subscription.holdBudget.begin(nowMs)
    const subscriptions = this.#held.get(publisherId)
    if (subscriptions === undefined) {
      this.#held.set(publisherId, new Set([subscription]))
      this.#outbox.hold(publisherId, HOLD_MS_MAX)
    } else subscriptions.add(subscription)
    const publishers = this.#waitedFor.get(subscription)
    if (publishers === undefined) this.#waitedFor.set(subscription, new Set([publisherId]))
    else publishers.add(publisherId)
  }

  /** The subscription may have got credit or room. */
  look(subscription: Subscription, nowMs: number): void {
    if (subscription.isShort) return
    subscription.isStalled = false
    this.#end(subscription, nowMs)
  }

  /** The subscription holds nobody any more. */
  forget(subscription: Subscription): void {
    for (const publisherId of this.#waitedFor.get(subscription) ?? []) {
      const subscriptions = this.#held.get(publisherId)!
      subscriptions.delete(subscription)
      if (subscriptions.size > 0) continue
      this.#held.delete(publisherId)
      this.#outbox.release(publisherId)
    }
    this.#waitedFor.delete(subscription)
  }

  /** A publisher was held for as long as it may be. One that is not held: nothing happens. */
  handleOver(publisherId: number, nowMs: number): void {
    for (const subscription of this.#held.get(publisherId)?.values() ?? []) this.#end(subscription, nowMs)
  }

  #end(subscription: Subscription, nowMs: number): void {
    if (!this.#waitedFor.has(subscription)) return
    this.forget(subscription)
    const { heldMs, isUsedUp } = subscription.holdBudget.end(nowMs)
    // A timer may be early by a millisecond.
    const isOver = heldMs >= HOLD_MS_MAX - 1
    if (isOver) subscription.isStalled = subscription.isShort
    if (isOver || isUsedUp) subscription.slowUntilMs = nowMs + SLOW_SUBSCRIBER_MS
  }
}
