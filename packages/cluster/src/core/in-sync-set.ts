import { invariant, type Offset } from '@gomq/protocol'
import type { InSyncKey, Replica } from '../cluster-view.js'
import { areSameReplicas, includesReplica, isSameReplica } from './same-replica.js'

/** How many copies must hold what is committed: f + 1 of n = 2f + 1 (R6). */
export function copiesMin(replicas: number): number {
  return Math.floor(replicas / 2) + 1
}

/** What the leader knows when it thinks of a change. */
export interface InSyncFacts {
  readonly leader: Replica
  /** n of the cluster. */
  readonly replicas: number
  /** Copies outside the set that may come in (R11). */
  readonly caughtUp: readonly Replica[]
  isLagging(replica: Replica): boolean
  /** What the copy has confirmed in this epoch; 0 if nothing. */
  syncedOf(replica: Replica): Offset
}

/**
 * The in-sync set as its leader holds it: what the coordinator has confirmed, and the one change that may be under way.
 *
 * A change is under way from the asking until a view shows that the set has moved on. Until then both sets count for the commit (R8): who is
 * being removed may still be elected, and who is being added may be already. An unknown outcome changes nothing (R9): the same change is
 * written again with the same expected revision; a view in which the set has not moved proves nothing, since the first write may still be on its way.
 */
export class InSyncSet {
  #members: readonly Replica[]
  #modRevision: number
  #asked: { readonly members: readonly Replica[]; token: number; isInFlight: boolean } | undefined

  constructor(key: InSyncKey) {
    this.#members = key.members
    this.#modRevision = key.modRevision
  }

  /** What the coordinator has confirmed. */
  get members(): readonly Replica[] {
    return this.#members
  }

  /** Revision of the confirmed set: what the next change expects (R7). */
  get modRevision(): number {
    return this.#modRevision
  }

  /** The change that is under way or whose outcome is unknown. */
  get asked(): readonly Replica[] | undefined {
    return this.#asked?.members
  }

  /** Everybody who counts: confirmed, being added, and being removed (R5, R8). */
  union(): readonly Replica[] {
    const asked = this.#asked?.members ?? []
    return [...this.#members, ...asked.filter((replica) => !includesReplica(this.#members, replica))]
  }

  /** Everything below is synced by everybody who counts. */
  commitPoint(syncedOf: (replica: Replica) => Offset): Offset {
    return Math.min(...this.union().map(syncedOf)) as Offset
  }

  /** The set as it should be; undefined if it is so, or while a change is under way. */
  propose(facts: InSyncFacts): readonly Replica[] | undefined {
    if (this.#asked !== undefined) return undefined
    const { leader, caughtUp, replicas } = facts
    const isKept = (replica: Replica) => isSameReplica(replica, leader) || !facts.isLagging(replica)
    // R12: one entry per broker; the newer incarnation takes the older one's place in the same write.
    const isReplaced = (replica: Replica) => caughtUp.some(({ id }) => id === replica.id)
    const kept = this.#members.filter((replica) => isKept(replica) && !isReplaced(replica))
    const laggards = this.#members
      .filter((replica) => !isKept(replica) && !isReplaced(replica))
      .sort((a, b) => facts.syncedOf(b) - facts.syncedOf(a))
    const wanted = [...kept, ...caughtUp].slice(0, Math.max(replicas, kept.length))
    // R6: never below f + 1; the ones that lag least stay, and the commit stands still.
    wanted.push(...laggards.slice(0, Math.max(0, copiesMin(replicas) - wanted.length)))
    if (areSameReplicas(wanted, this.#members)) return undefined
    invariant(includesReplica(wanted, leader), 'a leader would leave its own in-sync set')
    return wanted
  }

  /** The change is asked for; it counts from now on. */
  handleAsked(members: readonly Replica[], token: number): void {
    this.#asked = { members, token, isInFlight: true }
  }

  /** The answer to the asking with this token came and settled nothing. Answers to calls that were given up are not heard (R9c). */
  handleUnsettled(token: number): void {
    if (this.#asked?.token === token) this.#asked.isInFlight = false
  }

  /** What is to be written again, if nothing is in flight (R9b). */
  takeUnsettled(): readonly Replica[] | undefined {
    return this.#asked === undefined || this.#asked.isInFlight ? undefined : this.#asked.members
  }

  /**
   * The coordinator's set, in a view in which this broker still leads. Only the leader writes it (R7): when it has moved on, the change that
   * was asked for has been made, or can no longer be, as it expects an older revision.
   */
  handleKey(key: InSyncKey): void {
    if (key.modRevision <= this.#modRevision) return
    this.#members = key.members
    this.#modRevision = key.modRevision
    this.#asked = undefined
  }
}
