import { type Report, WILL } from '../checker.js'

/** What clients are told by a cluster, held against what has committed, at the moment at which they hear of it. */
export class Deliveries {
  readonly #report: Report
  readonly #nowMs: () => number
  /** What had committed, and since when; times and offsets rise. */
  readonly #committed: { readonly atMs: number; readonly toOffset: number }[] = []
  readonly #valueAt = new Map<number, string>()
  readonly #offsetOf = new Map<string, number>()

  constructor(report: Report, nowMs: () => number) {
    this.#report = report
    this.#nowMs = nowMs
  }

  /** Everything below has committed. */
  handleCommitted(toOffset: number): void {
    this.#committed.push({ atMs: this.#nowMs(), toOffset })
  }

  /** A publisher was told that its message is safe. */
  handleAcknowledged(name: string, offset: number): void {
    if (offset >= this.#committedTo(this.#nowMs()))
      this.#report('acknowledged only what is committed', `${name} was told ${offset}`)
  }

  /** A client was sent messages. @param sentMs  when the broker did so */
  handleSent(name: string, offsets: readonly number[], sentMs: number): void {
    const toOffset = this.#committedTo(sentMs)
    for (const offset of offsets)
      if (offset >= toOffset)
        this.#report('delivered only what is committed', `${name} was sent ${offset} of ${toOffset}`)
  }

  /** A client has read a message: whoever reads an offset finds the same there, and no message is at two. */
  handleRead(name: string, offset: number, value: string): void {
    if (offset < 0) return
    const known = this.#valueAt.get(offset) ?? value
    if (known !== value) this.#report('one value per offset', `${name} read ${value} at ${offset}, where ${known} was`)
    this.#valueAt.set(offset, value)
    if (value.startsWith(WILL)) return
    const other = this.#offsetOf.get(value) ?? offset
    if (other !== offset) this.#report('no duplicates', `${value} is at ${other} and at ${offset}`)
    this.#offsetOf.set(value, offset)
  }

  #committedTo(ms: number): number {
    return this.#committed.findLast(({ atMs }) => atMs <= ms)?.toOffset ?? 0
  }
}
