import type { Offset } from '@gomq/protocol'
import type { Replica } from '../cluster-view.js'

interface Mark {
  readonly atMs: number
  readonly end: Offset
}

/**
 * When each copy was last level with the leader: a copy that has confirmed what the leader had at some moment was level at that moment.
 *
 *     ends: 100 at 0 ms, 180 at 250 ms, 260 at 500 ms; a copy that has confirmed 200 was level at 250 ms
 */
export class LagMarks {
  readonly #keptMs: number
  readonly #beganAtMs: number
  #marks: Mark[] = []
  #level: Map<string, number> = new Map()

  constructor(keptMs: number, nowMs: number) {
    this.#keptMs = keptMs
    this.#beganAtMs = nowMs
  }

  /** The leader's log has this end now; a mark is set. */
  handleTick(end: Offset, nowMs: number): void {
    this.#marks.push({ atMs: nowMs, end })
    // One older than the limit stays, so that there is one to compare with.
    while (this.#marks[1] !== undefined && this.#marks[1].atMs < nowMs - this.#keptMs) this.#marks.shift()
  }

  /** A copy has confirmed everything below `synced`. */
  handleSynced(replica: Replica, synced: Offset): void {
    this.#level.set(keyOf(replica), synced)
  }

  /** The last moment at which the copy had what the leader had; when nothing is known, the time at which the leader began. */
  levelAtMs(replica: Replica): number {
    const synced = this.#level.get(keyOf(replica))
    if (synced === undefined) return this.#beganAtMs
    const mark = this.#marks.findLast(({ end }) => end <= synced)
    return mark?.atMs ?? this.#beganAtMs
  }
}

function keyOf({ id, storeId }: Replica): string {
  return `${id}:${storeId}`
}
