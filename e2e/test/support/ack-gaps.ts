import { Ledger } from './ledger.js'

/** Acks that come so soon after a fault were on their way before it. */
const ON_THEIR_WAY_MS = 150

/** A ledger that also knows how long nobody was told that his message is safe. */
export class AckGaps extends Ledger {
  readonly gapsMs: number[] = []
  /** When the last ack came, ms of `performance.now()`. */
  lastAckMs = 0
  #waiters: ((atMs: number) => void)[] = []

  override settle(producer: string, sequence: number, fate: 'acked' | 'refused' | 'unknown'): void {
    super.settle(producer, sequence, fate)
    if (fate !== 'acked') return
    this.lastAckMs = performance.now()
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve(this.lastAckMs)
  }

  /** When the next ack comes, ms of `performance.now()`. */
  nextAck(): Promise<number> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Notes the time from the start of a fault to the first ack after it, once both are there. */
  async across(fault: () => Promise<void>): Promise<void> {
    const startedMs = performance.now()
    const done = fault()
    let atMs = await this.nextAck()
    while (atMs < startedMs + ON_THEIR_WAY_MS) atMs = await this.nextAck()
    this.gapsMs.push(atMs - startedMs)
    await done
  }

  /** The gaps in words. */
  get summary(): string {
    const sorted = [...this.gapsMs].sort((a, b) => a - b).map(Math.round)
    if (sorted.length === 0) return 'no gaps measured'
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
    return `gaps without acks ms: ${sorted.length} of them, p50 ${at(0.5)}, p95 ${at(0.95)}, max ${sorted.at(-1)}`
  }
}
