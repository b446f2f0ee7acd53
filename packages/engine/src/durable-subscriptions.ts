import type { ControlRecord } from './control-record.js'

/** A durable subscription as the committed log has it. */
export interface DurableSubscription {
  readonly clientId: string
  readonly name: string
  filters: readonly string[]
  qos: number
  position: number
  unacked: readonly number[]
  /** Offset of the record that changed it last. */
  changedAt: number
}

/** The committed durable subscriptions of all clients. */
export class DurableSubscriptions {
  readonly #byClient = new Map<string, Map<string, DurableSubscription>>()
  #count = 0

  /** Durable subscriptions of all clients. */
  get count(): number {
    return this.#count
  }

  /** The one of this client and name. */
  get(clientId: string, name: string): DurableSubscription | undefined {
    return this.#byClient.get(clientId)?.get(name)
  }

  /** How many a client has. */
  countOf(clientId: string): number {
    return this.#byClient.get(clientId)?.size ?? 0
  }

  /** Clients that have some; a live walk. */
  clientIds(): IterableIterator<string> {
    return this.#byClient.keys()
  }

  /** Those of a client; a live walk. */
  ofClient(clientId: string): Iterable<DurableSubscription> {
    return this.#byClient.get(clientId)?.values() ?? []
  }

  /** Those of all clients; a live walk. */
  *values(): Generator<DurableSubscription> {
    for (const ofClient of this.#byClient.values()) yield* ofClient.values()
  }

  /** Applies a control record at `offset`; older ones than an entry's last change are ignored. */
  apply(record: ControlRecord, offset: number): void {
    if (record.kind === 'subscription') this.#put({ ...record, changedAt: offset })
    else if (record.kind === 'cursor') {
      const subscription = this.get(record.clientId, record.name)
      if (subscription === undefined || subscription.changedAt >= offset) return
      subscription.position = record.position
      subscription.unacked = record.unacked
      subscription.changedAt = offset
    } else if (record.kind === 'forgetSession') this.#forgetClient(record.clientId, offset)
    else if (record.kind === 'forgetSubscription') {
      const subscription = this.get(record.clientId, record.name)
      if (subscription === undefined || subscription.changedAt >= offset) return
      const ofClient = this.#byClient.get(record.clientId)!
      ofClient.delete(record.name)
      this.#count--
      if (ofClient.size === 0) this.#byClient.delete(record.clientId)
    }
  }

  /** Everything, as arrays for a snapshot; a live walk. */
  *entries(): Generator<unknown[]> {
    for (const ofClient of this.#byClient.values()) {
      for (const s of ofClient.values())
        yield [s.clientId, s.name, s.filters, s.qos, s.position, s.unacked, s.changedAt]
    }
  }

  /** Takes back what {@link entries} gave. */
  restore(entry: readonly unknown[]): void {
    const [clientId, name, filters, qos, position, unacked, changedAt] = entry as [
      string,
      string,
      string[],
      number,
      number,
      number[],
      number,
    ]
    this.#put({ clientId, name, filters, qos, position, unacked, changedAt })
  }

  #forgetClient(clientId: string, offset: number): void {
    const ofClient = this.#byClient.get(clientId)
    if (ofClient === undefined) return
    for (const [name, { changedAt }] of ofClient) {
      if (changedAt >= offset) continue
      ofClient.delete(name)
      this.#count--
    }
    if (ofClient.size === 0) this.#byClient.delete(clientId)
  }

  #put(subscription: DurableSubscription): void {
    const { clientId, name, filters, qos, position, unacked, changedAt } = subscription
    let ofClient = this.#byClient.get(clientId)
    if (ofClient === undefined) this.#byClient.set(clientId, (ofClient = new Map()))
    const known = ofClient.get(name)
    if (known !== undefined && known.changedAt >= changedAt) return
    if (known === undefined) this.#count++
    ofClient.set(name, { clientId, name, filters, qos, position, unacked, changedAt })
  }
}
