/** Decides when to ask for a sign of life and when a connection is dead. */
export class KeepAlive {
  #intervalMs = 0
  #lastHeardMs = 0
  #lastSentMs = 0
  #lastPingMs = 0

  /** Begins with a new connection; 0 seconds: neither pings nor death. */
  start(keepAliveSec: number, nowMs: number): void {
    this.#intervalMs = keepAliveSec * 1000
    this.#lastHeardMs = this.#lastSentMs = this.#lastPingMs = nowMs
  }

  heard(nowMs: number): void {
    this.#lastHeardMs = nowMs
  }

  sent(nowMs: number): void {
    this.#lastSentMs = nowMs
  }

  /** Milliseconds of silence after which the connection is dead; 0 for never. */
  get silenceMsMax(): number {
    return this.#intervalMs * 1.5
  }

  /** When something is to be done, undefined for never. */
  nextDeadlineMs(): number | undefined {
    if (this.#intervalMs === 0) return undefined
    return Math.min(this.#pingDueMs(), this.#lastHeardMs + this.silenceMsMax)
  }

  /** What to do now. A ping is taken for sent. */
  handleTick(nowMs: number): 'dead' | 'ping' | 'nothing' {
    if (this.#intervalMs === 0) return 'nothing'
    if (nowMs >= this.#lastHeardMs + this.silenceMsMax) return 'dead'
    if (nowMs < this.#pingDueMs()) return 'nothing'
    this.#lastPingMs = nowMs
    return 'ping'
  }

  /** Half an interval after either side fell silent, and as long after the last ping. */
  #pingDueMs(): number {
    return Math.max(Math.min(this.#lastHeardMs, this.#lastSentMs), this.#lastPingMs) + this.#intervalMs / 2
  }
}
