import type { Broker } from '@gomq/broker'
import { GomqError, RETENTION_DEFAULTS, type RetentionPolicy } from '@gomq/protocol'
import type { SeededRandom } from '@gomq/protocol/testing'
import type { PolicyCall } from './history.js'
import type { World } from './world.js'

/** Topics that policies govern. */
export const GOVERNED_TOPICS: readonly string[] = ['r/a', 'r/b', 'k/a', 'k/b', 'q/b', 'q/c']

/** A topic whose own policy keeps it for ever, below a wider one that does not. */
export const KEPT_TOPIC = 'r/kept'

/** Where the operator finds a broker. */
export interface Served {
  /** The broker that serves now, if one does. */
  readonly serving: Broker | undefined
}

/** Puts, changes and removes policies of {@link GOVERNED_TOPICS}, one call after the other. */
export class Operator {
  readonly #world: World
  readonly #site: Served
  readonly #random: SeededRandom
  /** By filter: the policy, null for none, undefined when nobody knows. */
  readonly #expected = new Map<string, RetentionPolicy | null | undefined>()
  #isStopped = false

  /** @param random  its own, so that runs without an operator have the chance that they would have */
  constructor(world: World, site: Served, random: SeededRandom) {
    this.#world = world
    this.#site = site
    this.#random = random
    this.#actLater()
  }

  /** Changes no more. */
  stop(): void {
    this.#isStopped = true
  }

  /** Reports policies that are not as the answers said. */
  verify(broker: Broker): void {
    const found = new Map(broker.retentionRules().rules.map(({ policy }) => [policy.filter, policy]))
    for (const [filter, policy] of this.#expected) {
      const there = found.get(filter) ?? null
      if (policy !== undefined && JSON.stringify(there) !== JSON.stringify(policy))
        this.#world.report('policies stay', `${JSON.stringify(there)} in place of ${JSON.stringify(policy)}`)
    }
  }

  #actLater(): void {
    this.#world.clock.schedule(20 + this.#random.below(600), () => {
      if (this.#isStopped) return
      const broker = this.#site.serving
      if (broker === undefined) this.#actLater()
      else this.#act(broker)
    })
  }

  #act(broker: Broker): void {
    const random = this.#random
    if (this.#expected.get(KEPT_TOPIC) == null) {
      this.#call(broker, KEPT_TOPIC, { filter: KEPT_TOPIC, ...RETENTION_DEFAULTS })
      return
    }
    const filter = random.pick(['r/#', 'r/#', 'r/a', 'r/b', 'k/+', 'k/+', 'k/a', 'q/#', 'q/#'])
    this.#call(broker, filter, random.chance(0.2) ? null : this.#policyFor(filter))
  }

  #policyFor(filter: string): RetentionPolicy {
    const random = this.#random
    const policy = { filter, ...RETENTION_DEFAULTS }
    if (filter.startsWith('q')) return { ...policy, isAckedRemoved: true }
    if (filter.startsWith('k')) return { ...policy, isCompacted: true, tombstoneMs: random.pick([0, 500, 2_000]) }
    return {
      ...policy,
      maxCount: random.chance(0.6) ? 5 + random.below(60) : null,
      maxBytes: random.chance(0.3) ? 4_000 + random.below(20_000) : null,
      maxAgeMs: random.chance(0.2) ? 1_000 + random.below(4_000) : null,
    }
  }

  #call(broker: Broker, filter: string, policy: RetentionPolicy | null): void {
    const { history, trace } = this.#world
    const call: PolicyCall = { filter, policy, outcome: 'pending' }
    history.policies.push(call)
    const before = this.#expected.get(filter)
    this.#expected.set(filter, undefined)
    const settle = (outcome: 'ok' | 'fail' | 'info', what: string) => {
      if (call.outcome !== 'pending') return
      call.outcome = outcome
      trace.add('operator', `${policy === null ? `remove ${filter}` : `put ${JSON.stringify(policy)}`} ${what}`)
      if (outcome === 'ok') this.#expected.set(filter, policy)
      this.#actLater()
    }
    const done = policy === null ? broker.removePolicy(filter) : broker.putPolicy(policy)
    done.then(
      () => settle('ok', 'done'),
      (error: unknown) => {
        if (!(error instanceof GomqError) || error.code !== 'NO_SUCH_POLICY') return settle('info', String(error))
        if (before !== null && before !== undefined)
          this.#world.report('policies stay', `${filter} had a policy, and now it has none`)
        // It is gone now, or about to be.
        this.#expected.set(filter, before === null ? null : undefined)
        settle('fail', error.code)
      },
    )
    this.#watch(broker, () => settle('info', 'nobody knows'), call)
  }

  /** The broker's process may die and never answer. */
  #watch(broker: Broker, onGone: () => void, call: PolicyCall): void {
    this.#world.clock.schedule(50, () => {
      if (call.outcome !== 'pending') return
      if (this.#site.serving === broker) this.#watch(broker, onGone, call)
      else onGone()
    })
  }
}
