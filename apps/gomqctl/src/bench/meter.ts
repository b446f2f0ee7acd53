/** How much passed in how long: from its start to the last of what was counted. */
export class Meter {
  #startMs = Number.POSITIVE_INFINITY
  #endMs = 0
  #messages = 0
  #bytes = 0

  /** Messages that were counted. */
  get messages(): number {
    return this.#messages
  }

  /** Milliseconds from the earliest start to the last count; 0 if nothing was counted. */
  get elapsedMs(): number {
    return this.#messages === 0 ? 0 : Math.max(0, this.#endMs - this.#startMs)
  }

  get messagesPerSec(): number {
    return perSec(this.#messages, this.elapsedMs)
  }

  get bytesPerSec(): number {
    return perSec(this.#bytes, this.elapsedMs)
  }

  /** What is counted may have begun at this time; the earliest one is the start. */
  begin(nowMs: number): void {
    if (nowMs < this.#startMs) this.#startMs = nowMs
  }

  count(bytes: number, nowMs: number): void {
    this.#messages++
    this.#bytes += bytes
    this.#endMs = nowMs
  }

  /** Counts what another one has counted, too: from the earlier start to the later end. */
  add(other: Meter): void {
    if (other.#messages === 0) return
    this.begin(other.#startMs)
    this.#endMs = Math.max(this.#endMs, other.#endMs)
    this.#messages += other.#messages
    this.#bytes += other.#bytes
  }
}

function perSec(count: number, ms: number): number {
  return ms === 0 ? 0 : (count * 1000) / ms
}
