import type { Replica } from '../cluster-view.js'
import { TICK_MS } from '../limits.js'
import { isSameReplica } from './same-replica.js'

/**
 * When a member has last heard of its leader. If it leads next, it need not wait for the lag limit again to know that the old leader is out of reach:
 * it has been silent for as long as it took to elect another.
 */
export class LastLeader {
  #leader: Replica | undefined
  #heardAtMs = 0
  #lastTickMs = 0

  /** It follows this leader from now on. */
  handleHello({ id, storeId }: Replica, nowMs: number): void {
    this.#leader = { id, storeId }
    this.#heardAtMs = nowMs
  }

  /** The leader that it follows has spoken. */
  handleMessage(nowMs: number): void {
    this.#heardAtMs = nowMs
  }

  /** Time has passed. Who was asleep itself cannot say that the other was silent. */
  handleTick(nowMs: number): void {
    if (nowMs - this.#lastTickMs > 4 * TICK_MS) this.#heardAtMs = nowMs
    this.#lastTickMs = nowMs
  }

  /** When this copy was last heard of; now, if it is another one. */
  heardAtMs(replica: Replica, nowMs: number): number {
    return this.#leader !== undefined && isSameReplica(this.#leader, replica) ? this.#heardAtMs : nowMs
  }
}
