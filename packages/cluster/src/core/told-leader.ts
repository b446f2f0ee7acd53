import type { ClusterView, Replica } from '../cluster-view.js'
import { isOwnKey } from './election.js'
import type { Emit, KnownLeader } from './ready.js'

/** Whom the broker was told to follow; it is told once for each change. */
export class ToldLeader {
  readonly #emit: Emit
  #told: KnownLeader | 'itself' | undefined
  #isTold = false

  constructor(emit: Emit) {
    this.#emit = emit
  }

  /** The broker was told to lead. */
  handleLead(): void {
    this.#told = 'itself'
  }

  /** It leads no more: what it is told next is news, whatever it is. */
  handleStepDown(): void {
    this.#isTold = false
  }

  /** Tells who leads by this view, if that is another than it was. A key of its own that it does not rule by is nobody's. */
  tell(view: ClusterView, self: Replica): void {
    const key = isOwnKey(view, self) ? undefined : view.leader
    const told = this.#told === 'itself' ? undefined : this.#told
    if (this.#isTold && told?.epoch === key?.epoch) return
    this.#isTold = true
    this.#told = key && { id: key.id, addresses: key.addresses, epoch: key.epoch }
    this.#emit({ kind: 'follow', leader: this.#told })
  }
}
