import { type Random, randomInteger } from '@gomq/protocol'
import type { Clock } from '../clock.js'
import type { ReplicaMessage } from '../messages.js'
import type { Link, LinkFailure, LinkHandler, Transport } from '../transport.js'

/** How long an opening waits for a host that does not answer, ms. */
const OPEN_TIMEOUT_MS = 1000

interface Listener {
  readonly clock: Clock
  accept(end: LinkEnd): LinkHandler
}

/** A network in memory: links between addresses, with delay, and cuts of each direction of each pair. Repeatable. */
export class MemoryNetwork {
  /** Time that a message takes, ms, at most. Messages of a link stay in order. */
  delayMsMax = 3
  /** Probability that a message is lost, and its link with it: the sender's host gives the connection up. */
  lossRate = 0
  /** Messages that were lost. */
  lost = 0
  readonly clock: Clock
  readonly random: Random
  readonly #listeners: Map<string, Listener> = new Map()
  readonly #down: Set<string> = new Set()
  readonly #cuts: Set<string> = new Set()
  readonly #ends: Set<LinkEnd> = new Set()

  constructor(clock: Clock, random: Random) {
    this.clock = clock
    this.random = random
  }

  /** The transport of the process at `address`. @param clock  the process's own: it takes messages up on that one */
  transport(address: string, clock: Clock = this.clock): MemoryTransport {
    return new MemoryTransport(this, address, clock)
  }

  /** From now on nothing gets from one address to the other; what is sent waits, as TCP keeps it. */
  cut(from: string, to: string): void {
    this.#cuts.add(`${from}>${to}`)
  }

  /** That direction carries again, and what had waited arrives. */
  heal(from: string, to: string): void {
    this.#cuts.delete(`${from}>${to}`)
    this.#wake()
  }

  /** All directions carry again. */
  healAll(): void {
    this.#cuts.clear()
    this.#wake()
  }

  /** Whether something gets from one address to the other. */
  carries(from: string, to: string): boolean {
    return !this.#cuts.has(`${from}>${to}`)
  }

  /** The host goes or comes back: one that is down answers nothing, not even with a refusal. */
  setDown(address: string, isDown: boolean): void {
    if (isDown) this.#down.add(address)
    else this.#down.delete(address)
  }

  /** Whether the host is down. */
  isDown(address: string): boolean {
    return this.#down.has(address)
  }

  /** @internal */
  listenerOf(address: string): Listener | undefined {
    return this.#listeners.get(address)
  }

  /** @internal */
  setListener(address: string, listener: Listener | undefined): void {
    if (listener === undefined) this.#listeners.delete(address)
    else this.#listeners.set(address, listener)
  }

  /** @internal */
  delayMs(): number {
    return randomInteger(this.random, 0, this.delayMsMax + 1)
  }

  /** @internal */
  loses(): boolean {
    const isLost = this.lossRate > 0 && this.random.next() < this.lossRate
    if (isLost) this.lost++
    return isLost
  }

  /** @internal */
  add(end: LinkEnd): void {
    this.#ends.add(end)
  }

  /** @internal */
  forget(end: LinkEnd): void {
    this.#ends.delete(end)
  }

  #wake(): void {
    for (const end of this.#ends) end.deliver()
  }
}

/** One end of a link. What it sends stands in its own queue until it is delivered. */
class LinkEnd implements Link {
  readonly remote: string
  readonly #network: MemoryNetwork
  readonly #local: string
  readonly #clock: Clock
  #peer: LinkEnd | undefined
  #handler: LinkHandler | undefined
  #early: (ReplicaMessage | 'closed')[] = []
  #queue: { readonly atMs: number; readonly what: ReplicaMessage | 'closed' }[] = []
  #isClosed = false
  /** Whether a message was lost: nothing that is sent later arrives. */
  #isBroken = false

  constructor(network: MemoryNetwork, local: string, remote: string, clock: Clock) {
    this.#network = network
    this.#local = local
    this.remote = remote
    this.#clock = clock
    network.add(this)
  }

  get pendingBytes(): number {
    return 0
  }

  join(peer: LinkEnd): void {
    this.#peer = peer
  }

  use(handler: LinkHandler): void {
    this.#handler = handler
    const early = this.#early
    this.#early = []
    for (const what of early) this.#take(what)
  }

  send(message: ReplicaMessage): void {
    if (this.#isClosed || this.#isBroken) return
    this.#isBroken = this.#network.loses()
    if (this.#isBroken) this.#clock.schedule(0, () => this.close())
    else this.#put(copyOf(message))
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#put('closed')
    this.#handler?.handleClosed()
  }

  /** The process is gone; its host closes the link. */
  crash(): void {
    this.#handler = undefined
    this.#early = []
    if (!this.#isClosed) this.#put('closed')
    this.#isClosed = true
  }

  /** Hands over what has had its time, in order, as long as the direction carries. */
  deliver(): void {
    const { clock } = this.#network
    while (this.#queue[0] !== undefined && this.#queue[0].atMs <= clock.monotonicMs()) {
      if (!this.#network.carries(this.#local, this.remote)) return
      const { what } = this.#queue.shift()!
      this.#peer?.receive(what)
      if (what === 'closed') this.#network.forget(this)
    }
  }

  receive(what: ReplicaMessage | 'closed'): void {
    this.#clock.schedule(0, () => this.#take(what))
  }

  #put(what: ReplicaMessage | 'closed'): void {
    const { clock } = this.#network
    const atMs = Math.max(clock.monotonicMs() + this.#network.delayMs(), this.#queue.at(-1)?.atMs ?? 0)
    this.#queue.push({ atMs, what })
    clock.schedule(atMs - clock.monotonicMs(), () => this.deliver())
  }

  #take(what: ReplicaMessage | 'closed'): void {
    if (this.#isClosed) return
    if (this.#handler === undefined) this.#early.push(what)
    else if (what !== 'closed') this.#handler.handleMessage(what)
    else {
      this.#isClosed = true
      this.#put('closed')
      this.#handler.handleClosed()
    }
  }
}

/** The {@link Transport} of one process. */
export class MemoryTransport implements Transport {
  readonly #network: MemoryNetwork
  readonly #address: string
  readonly #clock: Clock
  readonly #ends: Set<LinkEnd> = new Set()
  #isClosed = false

  constructor(network: MemoryNetwork, address: string, clock: Clock) {
    this.#network = network
    this.#address = address
    this.#clock = clock
  }

  async listen(accept: (link: Link) => LinkHandler): Promise<void> {
    if (this.#isClosed) return
    this.#network.setListener(this.#address, {
      clock: this.#clock,
      accept: (end) => {
        this.#ends.add(end)
        return accept(end)
      },
    })
  }

  open(address: string, accept: (link: Link) => LinkHandler, onFailed: (reason: LinkFailure) => void): () => void {
    let isOver = false
    let end: LinkEnd | undefined
    const network = this.#network
    const settle = (then: () => void) =>
      this.#clock.schedule(0, () => {
        if (isOver || this.#isClosed) return
        isOver = true
        timer.cancel()
        then()
      })
    const timer = this.#clock.schedule(OPEN_TIMEOUT_MS, () => settle(() => onFailed('failed')))
    const carries = () => network.carries(this.#address, address) && network.carries(address, this.#address)
    network.clock.schedule(network.delayMs() + network.delayMs(), () => {
      if (isOver || this.#isClosed || !carries() || network.isDown(address)) return
      const listener = network.listenerOf(address)
      if (listener === undefined) return void settle(() => onFailed('refused'))
      const far = new LinkEnd(network, address, this.#address, listener.clock)
      const near = new LinkEnd(network, this.#address, address, this.#clock)
      near.join(far)
      far.join(near)
      end = near
      this.#ends.add(near)
      // A process that stands still is connected by its host, and takes the link up when it goes on.
      listener.clock.schedule(0, () => far.use(listener.accept(far)))
      settle(() => near.use(accept(near)))
    })
    return () => {
      isOver = true
      timer.cancel()
      end?.close()
    }
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#network.setListener(this.#address, undefined)
    for (const end of this.#ends) end.close()
  }

  /** The process is gone: nothing is called any more, its host closes its links. */
  crash(): void {
    this.#isClosed = true
    this.#network.setListener(this.#address, undefined)
    for (const end of this.#ends) end.crash()
    this.#ends.clear()
  }
}

/** Bytes that one log has lent must not be those that another one seals. */
function copyOf(message: ReplicaMessage): ReplicaMessage {
  if (message.kind === 'append' || message.kind === 'cleanedBatches')
    return { ...message, batches: message.batches.map((batch) => batch.slice()) }
  return message.kind === 'chunk' ? { ...message, bytes: message.bytes.slice() } : message
}
