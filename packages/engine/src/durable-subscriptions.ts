import type { ControlRecord } from './control-record.js'
import type { StateRows } from './state-rows.js'

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
  /** Most clients have one, which needs no map of its own. */
  readonly #byClient = new Map<string, DurableSubscription | Map<string, DurableSubscription>>()
  #count = 0

  /** Durable subscriptions of all clients. */
  get count(): number {
    return this.#count
  }

  /** The one of this client and name. */
  get(clientId: string, name: string): DurableSubscription | undefined {
    const ofClient = this.#byClient.get(clientId)
    if (ofClient instanceof Map) return ofClient.get(name)
    return ofClient?.name === name ? ofClient : undefined
  }

  /** How many a client has. */
  countOf(clientId: string): number {
    const ofClient = this.#byClient.get(clientId)
    return ofClient instanceof Map ? ofClient.size : ofClient === undefined ? 0 : 1
  }

  /** Clients that have some; a live walk. */
  clientIds(): IterableIterator<string> {
    return this.#byClient.keys()
  }

  /** Those of a client; a live walk. */
  ofClient(clientId: string): Iterable<DurableSubscription> {
    const ofClient = this.#byClient.get(clientId)
    return ofClient instanceof Map ? ofClient.values() : ofClient === undefined ? [] : [ofClient]
  }

  /** Those of all clients; a live walk. */
  *values(): Generator<DurableSubscription> {
    for (const ofClient of this.#byClient.values()) {
      if (ofClient instanceof Map) yield* ofClient.values()
      else yield ofClient
    }
  }

  /** Applies a control record at `offset`; older ones than an entry's last change are ignored. */
  apply(record: ControlRecord, offset: number): void {
    if (record.kind === 'subscription') {
      const { clientId, name, filters, qos, position, unacked } = record
      this.#put({ clientId, name, filters, qos, position, unacked, changedAt: offset })
    } else if (record.kind === 'cursor') {
      const subscription = this.get(record.clientId, record.name)
      if (subscription === undefined || subscription.changedAt >= offset) return
      subscription.position = record.position
      subscription.unacked = record.unacked
      subscription.changedAt = offset
    } else if (record.kind === 'forgetSession') this.#forgetClient(record.clientId, offset)
    else if (record.kind === 'forgetSubscription') {
      const subscription = this.get(record.clientId, record.name)
      if (subscription !== undefined) this.#forget(subscription, offset)
    }
  }

  /** Everything, as arrays for a snapshot; a live walk. */
  *entries(): Generator<unknown[]> {
    for (const s of this.values()) yield [s.clientId, s.name, s.filters, s.qos, s.position, s.unacked, s.changedAt]
  }

  /** Takes back the next of what {@link entries} gave. */
  restore(rows: StateRows): void {
    const clientId = rows.text()
    const name = rows.text()
    const filters = rows.texts()
    const qos = rows.number()
    const position = rows.number()
    const unacked = rows.numbers()
    this.#put({ clientId, name, filters, qos, position, unacked, changedAt: rows.number() })
  }

  #forgetClient(clientId: string, offset: number): void {
    for (const subscription of this.ofClient(clientId)) this.#forget(subscription, offset)
  }

  /** Forgets a subscription that the record at `offset` ends; one that has changed since stays. */
  #forget({ clientId, name, changedAt }: DurableSubscription, offset: number): void {
    if (changedAt >= offset) return
    this.#count--
    const ofClient = this.#byClient.get(clientId)
    if (ofClient instanceof Map) ofClient.delete(name)
    if (!(ofClient instanceof Map) || ofClient.size === 0) this.#byClient.delete(clientId)
  }

  /** Takes the subscription in, as it is, unless a newer one is known. */
  #put(subscription: DurableSubscription): void {
    const { clientId, name, changedAt } = subscription
    const known = this.get(clientId, name)
    if (known !== undefined && known.changedAt >= changedAt) return
    if (known === undefined) this.#count++
    const ofClient = this.#byClient.get(clientId)
    if (ofClient instanceof Map) ofClient.set(name, subscription)
    else if (ofClient === undefined || ofClient === known) this.#byClient.set(clientId, subscription)
    else
      this.#byClient.set(
        clientId,
        new Map([
          [ofClient.name, ofClient],
          [name, subscription],
        ]),
      )
  }
}
