import { delay } from './killed-load.js'

/** Looks at a key of etcd's all the time, over its JSON gateway. */
export class LeaderKeyWatch implements AsyncDisposable {
  readonly #url: string
  readonly #key: string
  #isOver = false
  #running: Promise<void> = Promise.resolve()
  #revision: string | undefined
  #waiters: ((gone: { readonly goneMs: number }) => void)[] = []

  private constructor(url: string, key: string) {
    this.#url = url
    this.#key = Buffer.from(key).toString('base64')
  }

  static async start(url: string, key: string): Promise<LeaderKeyWatch> {
    const watch = new LeaderKeyWatch(url, key)
    watch.#revision = await watch.#read()
    watch.#running = watch.#run()
    return watch
  }

  /** The next time that the key that stands now is gone: the last moment at which it was surely there, ms of `performance.now()`. */
  gone(): Promise<{ readonly goneMs: number }> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.#running
  }

  async #run(): Promise<void> {
    let seenMs = performance.now()
    while (!this.#isOver) {
      const sentMs = performance.now()
      const revision = await this.#read()
      if (revision !== this.#revision && this.#revision !== undefined) {
        for (const resolve of this.#waiters.splice(0)) resolve({ goneMs: seenMs })
      }
      this.#revision = revision
      seenMs = sentMs
      await delay(10)
    }
  }

  async #read(): Promise<string | undefined> {
    const body = JSON.stringify({ key: this.#key })
    const response = await fetch(`${this.#url}/v3/kv/range`, { method: 'POST', body })
    return ((await response.json()) as { kvs?: { create_revision: string }[] }).kvs?.[0]?.create_revision
  }
}
