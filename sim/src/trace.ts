/** What happened, line by line, and a hash of it: two runs of one seed have the same. */
export class Trace {
  readonly #nowMs: () => number
  readonly #linesMax: number
  #lines: string[] = []
  #hash = 0x811c9dc5
  #count = 0

  /** @param linesMax  the last lines that are kept at least; the hash covers all */
  constructor(nowMs: () => number, linesMax: number) {
    this.#nowMs = nowMs
    this.#linesMax = linesMax
  }

  /** Lines that are kept, oldest first. */
  get lines(): readonly string[] {
    return this.#lines
  }

  /** Lines so far. */
  get count(): number {
    return this.#count
  }

  /** FNV-1a over all lines, 32 bits. */
  get hash(): number {
    return this.#hash >>> 0
  }

  add(who: string, what: string): void {
    const line = `${this.#nowMs()} ${who}: ${what}`
    this.#count++
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193)
    this.#lines.push(line)
    if (this.#lines.length > 2 * this.#linesMax) this.#lines = this.#lines.slice(-this.#linesMax)
  }
}
