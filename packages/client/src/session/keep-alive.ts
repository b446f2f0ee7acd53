/**
 * Decides when to ask for a sign of life and when a connection is dead. While nothing waits for the broker, silence is told by the keep-alive that was
 * agreed on; while something waits, by our own patience, which is shorter: whoever publishes wants to go elsewhere soon.
 */
export class KeepAlive {
  readonly #patienceMs: number
  #intervalMs = 0
  #lastHeardMs = 0
  #lastSentMs = 0
  #lastPingMs = 0
  /** Since when something may wait for the broker; undefined if nothing does. */
  #waitingSinceMs: number | undefined

  /** @param patienceMs  silence, while something waits, after which the connection is dead; half of it, and a ping goes out */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs
  }

  /** Begins with a new connection; 0 seconds: neither pings nor death. */
  start(keepAliveSec: number, nowMs: number): void {
    this.#intervalMs = keepAliveSec * 1000
    this.#lastHeardMs = this.#lastSentMs = this.#lastPingMs = nowMs
    this.#waitingSinceMs = undefined
  }

  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs
  }

  sent(nowMs: number): void {
    this.#lastSentMs = nowMs
    this.#waitingSinceMs ??= nowMs
  }

  /** Milliseconds of silence until now. */
  silenceMs(nowMs: number): number {
    return nowMs - this.#lastHeardMs
  }

  /** When something is to be done, undefined for never. */
  nextDeadlineMs(): number | undefined {
    if (this.#intervalMs === 0) return undefined
    return Math.min(this.#pingDueMs(), this.#deadMs())
  }

  /** What to do now; `isIdle`: nothing waits for the broker. A ping is taken for sent. */
  handleTick(nowMs: number, isIdle: boolean): 'dead' | 'ping' | 'nothing' {
    if (isIdle) this.#waitingSinceMs = undefined
    if (this.#intervalMs === 0) return 'nothing'
    if (nowMs >= this.#deadMs()) return 'dead'
    if (nowMs < this.#pingDueMs()) return 'nothing'
    this.#lastPingMs = nowMs
    return 'ping'
  }

  /** Half an interval after either side fell silent, and as long after the last ping; half of our patience if something waits. */
  #pingDueMs(): number {
    const dueMs = Math.max(Math.min(this.#lastHeardMs, this.#lastSentMs), this.#lastPingMs) + this.#intervalMs / 2
    if (this.#waitingSinceMs === undefined) return dueMs
    return Math.min(dueMs, Math.max(this.#waitsFromMs(), this.#lastPingMs) + this.#patienceMs / 2)
  }

  #deadMs(): number {
    const deadMs = this.#lastHeardMs + this.#intervalMs * 1.5
    return this.#waitingSinceMs === undefined ? deadMs : Math.min(deadMs, this.#waitsFromMs() + this.#patienceMs)
  }

  #waitsFromMs(): number {
    return Math.max(this.#lastHeardMs, this.#waitingSinceMs!)
  }
}
