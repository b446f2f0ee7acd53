import type { Offset, RetentionPolicy } from '@gomq/protocol'
import type { EngineContext } from './engine-context.js'
import type { Subscription } from './subscription.js'

/** What is kept for a client id, for people to look at. */
export interface SessionView {
  readonly clientId: string
  readonly isConnected: boolean
  /** Seconds that the session outlives its connection. */
  readonly expirySec: number
  /** When the last connection ended, ms since 1970; null while there is one. */
  readonly closedAtMs: number | null
  readonly durableSubscriptions: number
  /** Whether a will is owed if the client is lost. */
  readonly hasWill: boolean
}

/** A durable subscription, for people to look at. */
export interface SubscriptionView {
  readonly clientId: string
  readonly name: string
  readonly filters: readonly string[]
  readonly qos: number
  /** Everything below was delivered and acknowledged, but for what is counted in `unacked`. */
  readonly position: number
  /** Messages below `position` that are not acknowledged. */
  readonly unacked: number
  /** Whether a connection has it. */
  readonly isAttached: boolean
}

/** A policy, for people to look at. */
export interface PolicyView {
  readonly policy: RetentionPolicy
  /** Batches of its topics that end here or below are dead, unless they are retained. */
  readonly before: Offset
}

/** Looks at the state of the engine and changes nothing. Iterators are live walks, in no particular order. */
export class Listing {
  readonly #context: EngineContext

  constructor(context: EngineContext) {
    this.#context = context
  }

  /** Client ids of all sessions; at most 50,000. */
  sessionIds(): Iterable<string> {
    return ids(this.#context.state.sessions.values())
  }

  /** Client ids that have durable subscriptions. */
  subscriberIds(): Iterable<string> {
    return this.#context.state.durables.clientIds()
  }

  /** Topics that have a retained message, each with its offset; a million of them or more. */
  retained(): Iterable<readonly [topic: string, offset: Offset]> {
    return this.#context.state.retained.entries()
  }

  /** Offset of the topic's retained message, or undefined. */
  retainedOffsetOf(topic: string): Offset | undefined {
    return this.#context.state.retained.offsetOf(topic)
  }

  /** Every retention policy with its floor; at most 1,000. */
  policies(): PolicyView[] {
    return [...this.#context.state.policies.values()].map(({ policy, before }) => ({ policy, before }))
  }

  /** The policy with exactly this filter; undefined if there is none. */
  policy(filter: string): PolicyView | undefined {
    const entry = this.#context.state.policies.get(filter)
    return entry && { policy: entry.policy, before: entry.before }
  }

  /** Whether retention has removed a stored batch of the topic: nobody is shown it, though its bytes may be there still. */
  isDead(topic: string, batch: Uint8Array): boolean {
    return this.#context.state.isDead(topic, batch)
  }

  /** The session of the client id; undefined if there is none. */
  session(clientId: string): SessionView | undefined {
    const { connections, state } = this.#context
    const session = state.sessions.get(clientId)
    if (session === undefined) return undefined
    const isConnected = connections.ofClient(clientId) !== undefined
    return {
      clientId,
      isConnected,
      expirySec: session.expirySec,
      closedAtMs: isConnected ? null : session.closedAtMs,
      durableSubscriptions: state.durables.countOf(clientId),
      hasWill: session.will !== null,
    }
  }

  /** The durable subscriptions of a client, at most 100; where a connection has one, as it stands there. */
  subscriptionsOf(clientId: string): SubscriptionView[] {
    const { connections, state, delivery } = this.#context
    const attached = new Map<string, Subscription>()
    for (const subscription of connections.ofClient(clientId)?.subscriptions.values() ?? [])
      if (subscription.name !== null && subscription.state !== 'waiting') attached.set(subscription.name, subscription)
    const views: SubscriptionView[] = []
    for (const { name, filters, qos, position, unacked } of state.durables.ofClient(clientId)) {
      const live = attached.get(name)
      views.push({
        clientId,
        name,
        filters: live?.filters ?? filters,
        qos: live?.qos ?? qos,
        position: live?.cursorPosition(delivery.highWatermark) ?? position,
        unacked: offsetsIn(live?.unacked.toArray() ?? unacked),
        isAttached: live !== undefined,
      })
    }
    return views
  }
}

function* ids(sessions: Iterable<{ readonly clientId: string }>): Generator<string> {
  for (const { clientId } of sessions) yield clientId
}

function offsetsIn(ranges: readonly number[]): number {
  let count = 0
  for (let i = 0; i < ranges.length; i += 2) count += ranges[i + 1]! - ranges[i]!
  return count
}
