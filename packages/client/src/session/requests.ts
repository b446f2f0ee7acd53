import { GomqError } from '@gomq/protocol'
import type { SubscriptionState } from './subscription-state.js'

/** A request about a subscription that waits for its answer, over connections. */
export interface PendingRequest {
  readonly kind: 'subscribe' | 'unsubscribe'
  readonly subscription: SubscriptionState
  readonly forget?: boolean
  readonly deadlineMs: number
  resolve(): void
  reject(error: GomqError): void
}

/** SUBSCRIBE and UNSUBSCRIBE that were sent, by request id, and those who wait for them. */
export class Requests {
  readonly #timeoutMs: number
  readonly #pending = new Set<PendingRequest>()
  readonly #byId = new Map<number, PendingRequest>()
  /** Subscriptions that were opened again on this connection and have nobody who waits for that. */
  readonly #resubscriptions = new Map<number, SubscriptionState>()

  /** @param timeoutMs  of each request, reconnecting included */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  get isEmpty(): boolean {
    return this.#pending.size === 0
  }

  deadlineMs(nowMs: number): number {
    return nowMs + this.#timeoutMs
  }

  add(request: PendingRequest): void {
    this.#pending.add(request)
  }

  /** The UNSUBSCRIBE that waits for a connection or an answer. */
  unsubscribeOf(subscription: SubscriptionState): PendingRequest | undefined {
    return this.#find('unsubscribe', subscription)
  }

  handleSubscribeSent(subscription: SubscriptionState, requestId: number): void {
    const request = this.#find('subscribe', subscription)
    if (request !== undefined) this.#byId.set(requestId, request)
    else this.#resubscriptions.set(requestId, subscription)
  }

  handleUnsubscribeSent(subscription: SubscriptionState, requestId: number): void {
    const request = this.#find('unsubscribe', subscription)
    if (request !== undefined) this.#byId.set(requestId, request)
  }

  /** The request was answered. Unknown ids are ignored. */
  resolve(requestId: number): void {
    this.#resubscriptions.delete(requestId)
    this.#take(requestId)?.resolve()
  }

  /** The request was refused. False if nobody waits for it. */
  reject(requestId: number, error: GomqError): boolean {
    const request = this.#take(requestId)
    request?.reject(error)
    return request !== undefined
  }

  /** Takes out the subscription whose opening again had this id. */
  resubscriptionOf(requestId: number): SubscriptionState | undefined {
    const subscription = this.#resubscriptions.get(requestId)
    this.#resubscriptions.delete(requestId)
    return subscription
  }

  handleTick(nowMs: number): void {
    for (const request of this.#pending) {
      if (nowMs < request.deadlineMs) continue
      this.#pending.delete(request)
      const message = `the broker did not answer the ${request.kind} within ${this.#timeoutMs} ms`
      request.reject(new GomqError('TIMEOUT', message))
    }
  }

  nextDeadlineMs(): number | undefined {
    let earliest: number | undefined
    for (const { deadlineMs } of this.#pending)
      if (earliest === undefined || deadlineMs < earliest) earliest = deadlineMs
    return earliest
  }

  rejectAll(error: GomqError): void {
    const pending = [...this.#pending]
    this.#pending.clear()
    this.#byId.clear()
    this.#resubscriptions.clear()
    for (const request of pending) request.reject(error)
  }

  /** Ids of a connection that is gone. */
  handleClosed(): void {
    this.#byId.clear()
    this.#resubscriptions.clear()
  }

  #find(kind: PendingRequest['kind'], subscription: SubscriptionState): PendingRequest | undefined {
    for (const request of this.#pending)
      if (request.kind === kind && request.subscription === subscription) return request
    return undefined
  }

  #take(requestId: number): PendingRequest | undefined {
    const request = this.#byId.get(requestId)
    this.#byId.delete(requestId)
    return request !== undefined && this.#pending.delete(request) ? request : undefined
  }
}
