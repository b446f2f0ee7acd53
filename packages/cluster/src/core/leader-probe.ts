import type { ClusterView, LeaderKey } from '../cluster-view.js'
import type { LinkFailure } from '../transport.js'
import type { Emit } from './ready.js'

/**
 * Finds out whether the process of a leader whose link has closed has ended: nobody listens where it did. One that ends may close its links
 * before its listener, so a connection that only fails is tried again until the lease has decided.
 */
export class LeaderProbe {
  readonly #emit: Emit
  /** Revision of the leader's key. */
  #suspect: number | undefined
  #isUnderWay = false

  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** The link to this leader has closed. */
  suspect(leader: LeaderKey): void {
    this.#suspect = leader.createRevision
    this.proceed(leader)
  }

  /** It leads, or another one does. */
  clear(): void {
    this.#suspect = undefined
  }

  /** Tries again, if the one that leads is the one in question. */
  proceed(leader: ClusterView['leader']): void {
    if (leader === undefined || leader.createRevision !== this.#suspect || this.#isUnderWay) return
    this.#isUnderWay = true
    this.#emit({ kind: 'probe', address: leader.addresses.replication, leaderRevision: leader.createRevision })
  }

  /** @returns whether the leader's process has ended */
  handleProbed(result: LinkFailure | 'open'): boolean {
    this.#isUnderWay = false
    if (result !== 'failed') this.clear()
    return result === 'refused'
  }
}
