import { RETAINED_FOUND_AT_ONCE, RETAINED_SEARCH_STEPS } from './limits.js'
import type { Outbox } from './outbox.js'
import type { RetainedMessages } from './retained-messages.js'
import { RetainedSearch } from './retained-search.js'
import type { Subscription } from './subscription.js'

/** A subscription that waits for the next retained messages it gets to be found. */
interface OpenSearch {
  readonly subscription: Subscription
  readonly search: RetainedSearch
  readonly onFound: (nowMs: number) => void
}

/**
 * Finds what subscriptions get of the retained messages, a portion at a time: little of it at once, much in turns with the others. One search
 * after the other, in the order in which they came.
 */
export class RetainedSearches {
  readonly #outbox: Outbox
  readonly #retained: RetainedMessages
  /** Searches that were not over in one turn, the first of them under way. */
  readonly #open: OpenSearch[] = []

  constructor(outbox: Outbox, retained: RetainedMessages) {
    this.#outbox = outbox
    this.#retained = retained
  }

  /**
   * Puts the next portion of the retained messages that the subscription is to get into its `unacked`, and moves `retainedTo` behind it.
   * @param onFound  called when that is done, perhaps at once, and when the subscription has closed meanwhile
   */
  find(subscription: Subscription, nowMs: number, onFound: (nowMs: number) => void): void {
    const { filters, retainedTo, resumeAt, unacked } = subscription
    const wanted = { filters, from: retainedTo, before: resumeAt, max: RETAINED_FOUND_AT_ONCE }
    const open = { subscription, search: new RetainedSearch(this.#retained, wanted, unacked), onFound }
    subscription.isSearching = true
    if (this.#go(open)) this.#end(open, nowMs)
    else if (this.#open.push(open) === 1) this.#outbox.wake()
  }

  /** The others had their turn: the search under way goes on. */
  handleWake(nowMs: number): void {
    const first = this.#open[0]
    if (first === undefined) return
    const isOver = first.subscription.state === 'closed' || this.#go(first)
    if (isOver) this.#open.shift()
    if (this.#open.length > 0) this.#outbox.wake()
    if (isOver) this.#end(first, nowMs)
  }

  #go({ search }: OpenSearch): boolean {
    return search.run(RETAINED_SEARCH_STEPS)
  }

  #end({ subscription, search, onFound }: OpenSearch, nowMs: number): void {
    subscription.isSearching = false
    subscription.retainedTo = search.foundTo
    onFound(nowMs)
  }
}
