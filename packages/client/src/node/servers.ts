import { type Address, parseAddress } from './address.js'

/** Times in a row that a broker's word about who leads is followed at once. Stops two that name each other. */
const REDIRECTS_MAX = 3

/** How long a broker that did not answer is passed over, ms: about what a cluster needs to notice it too. */
const PASSED_OVER_MS = 5_000

/**
 * Which broker is tried next: the one that another said leads, or the next of those that were given, in turn. One that was silent is passed over for
 * a while, as long as others can be reached, also when those have not noticed yet and say that it leads.
 */
export class Servers {
  readonly #addresses: readonly Address[]
  readonly #nowMs: () => number
  #at = 0
  #leader: Address | undefined
  #redirects = 0
  #silent: { readonly address: Address; readonly untilMs: number } | undefined

  /** @param addresses  at least one */
  constructor(addresses: readonly Address[], nowMs: () => number) {
    this.#addresses = addresses
    this.#nowMs = nowMs
  }

  /** How many were given. */
  get count(): number {
    return this.#addresses.length
  }

  /** Whether {@link next} is a leader that was named. */
  get isRedirected(): boolean {
    return this.#leader !== undefined && this.#redirects < REDIRECTS_MAX
  }

  /** The next one to try. */
  next(): Address {
    const leader = this.isRedirected ? this.#leader : undefined
    this.#leader = undefined
    if (leader !== undefined) {
      this.#redirects++
      return leader
    }
    this.#redirects = 0
    for (let tries = 1; ; tries++) {
      const address = this.#addresses[this.#at++ % this.#addresses.length]!
      if (!this.#isPassedOver(address) || tries >= this.#addresses.length) return address
    }
  }

  /** A broker has sent us away: to `leader`, `host:port`, if it knows one. Whether TLS is spoken there goes by what the user asked for. */
  handleLeader(leader: string | undefined): void {
    this.#leader = undefined
    if (leader === undefined) return
    try {
      const address = parseAddress(`${this.#addresses[0]!.isTls ? 'gomqs' : 'gomq'}://${leader}`)
      if (!this.#isPassedOver(address)) this.#leader = address
    } catch {
      // No address: the next in turn may know more.
    }
  }

  /** A broker did not answer, or does no more. */
  handleSilent(address: Address): void {
    this.#silent = { address, untilMs: this.#nowMs() + PASSED_OVER_MS }
  }

  /** A broker cannot be reached. Then the silent one is not the worst choice any more. */
  handleUnreachable(address: Address): void {
    if (!this.#isPassedOver(address)) this.#silent = undefined
  }

  /** A connection stands: whoever said so was right. */
  handleEstablished(): void {
    this.#redirects = 0
  }

  #isPassedOver({ host, port }: Address): boolean {
    if (this.#silent === undefined || this.#nowMs() >= this.#silent.untilMs) return false
    return this.#silent.address.host === host && this.#silent.address.port === port
  }
}
