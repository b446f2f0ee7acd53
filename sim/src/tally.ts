/** How often each of several things has happened. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(what: string, times = 1): void {
    if (times > 0) this.#counts.set(what, this.count(what) + times)
  }

  count(what: string): number {
    return this.#counts.get(what) ?? 0
  }

  /** All of them, by name. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
