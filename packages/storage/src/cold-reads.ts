/**
 * Lets a few reads from disk run at once and the others wait in line, and holds all of them back while files change under them.
 */
export class ColdReads {
  readonly #atOnce: number
  #running = 0
  readonly #waiting: (() => void)[] = []
  /** Called when the last running read has ended and somebody wants to be alone. */
  #onIdle: (() => void) | undefined

  /** @param atOnce  reads that may run at the same time, at least 1 */
  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  /** Runs `read` when it is its turn: first come, first served. */
  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#onIdle === undefined && this.#running < this.#atOnce) this.#running++
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await read()
    } finally {
      this.#running--
      this.#admit()
    }
  }

  /** Runs `work` while no read runs; reads that come meanwhile wait. One at a time: the caller sees to that. */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
      if (this.#running === 0) resolve()
    })
    try {
      return await work()
    } finally {
      this.#onIdle = undefined
      this.#admit()
    }
  }

  /** A slot passes to the one who waits before it is woken, so that nobody who comes in between takes it too. */
  #admit(): void {
    if (this.#onIdle !== undefined) {
      if (this.#running === 0) this.#onIdle()
      return
    }
    while (this.#running < this.#atOnce && this.#waiting.length > 0) {
      this.#running++
      this.#waiting.shift()!()
    }
  }
}
