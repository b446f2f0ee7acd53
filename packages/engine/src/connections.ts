import { Connection } from './connection.js'
import { Deadlines } from './deadlines.js'
import { ENDED_PRODUCERS_MAX } from './limits.js'

/** Every open connection, and the one that speaks for each client id and for each producer. Volatile. */
export class Connections {
  readonly #byId = new Map<number, Connection>()
  readonly #byClient = new Map<string, Connection>()
  readonly #byProducer = new Map<number, Connection>()
  /** Connection ids of producers whose newest connection has ended; the one that ended first comes first. */
  readonly #endedByProducer = new Map<number, number>()
  /** One entry for each connection with a keep-alive; it may be early, since what is heard moves the deadline and not the entry. */
  readonly #silences = new Deadlines<Connection>()

  /** Subscriptions of all of them. */
  get subscriptionCount(): number {
    let count = 0
    for (const connection of this.values()) count += connection.subscriptions.size
    return count
  }

  get count(): number {
    return this.#byId.size
  }

  /** When {@link takeSilent} may find something; undefined if nobody has a keep-alive. */
  get nextDeadlineMs(): number | undefined {
    return this.#silences.nextMs
  }

  get(id: number): Connection | undefined {
    return this.#byId.get(id)
  }

  ofClient(clientId: string): Connection | undefined {
    return this.#byClient.get(clientId)
  }

  /** The open connection that last published as this producer. */
  ofProducer(producerId: number): Connection | undefined {
    return this.#byProducer.get(producerId)
  }

  /** Whether nobody has published as this producer over a newer connection, open or ended. Of those that ended, the last {@link ENDED_PRODUCERS_MAX} count. */
  isNewestOf(connection: Connection, producerId: number): boolean {
    const newestId = this.#byProducer.get(producerId)?.id ?? this.#endedByProducer.get(producerId) ?? 0
    return newestId <= connection.id
  }

  values(): IterableIterator<Connection> {
    return this.#byId.values()
  }

  open(id: number, remote: string, nowMs: number, isDoor = false): void {
    this.#byId.set(id, new Connection(id, remote, nowMs, isDoor))
  }

  /** The connection speaks for the client id from now on. */
  claim(connection: Connection, clientId: string): void {
    connection.clientId = clientId
    this.#byClient.set(clientId, connection)
  }

  /** The connection speaks for the producer from now on, and for no other: so there are no more entries than connections. */
  claimProducer(connection: Connection, producerId: number): void {
    this.#leaveProducer(connection)
    connection.producerId = producerId
    this.#endedByProducer.delete(producerId)
    this.#byProducer.set(producerId, connection)
  }

  /** Watches for silence from now on. Call once, when the keep-alive is agreed. */
  watch(connection: Connection): void {
    if (connection.keepAliveMs > 0) this.#silences.set(connection, connection.deadlineMs)
  }

  /** Forgets a connection. False if it is forgotten already. */
  remove(connection: Connection): boolean {
    if (!this.#byId.delete(connection.id)) return false
    this.#silences.delete(connection)
    if (this.#byClient.get(connection.clientId) === connection) this.#byClient.delete(connection.clientId)
    if (this.#leaveProducer(connection)) this.#rememberEnd(connection)
    return true
  }

  /** An open connection that has been silent for too long, or undefined. The caller ends it. */
  takeSilent(nowMs: number): Connection | undefined {
    for (;;) {
      const connection = this.#silences.takeDue(nowMs)
      if (connection === undefined) return undefined
      if (connection.deadlineMs <= nowMs) return connection
      this.#silences.set(connection, connection.deadlineMs)
    }
  }

  /** @returns whether it spoke for a producer */
  #leaveProducer(connection: Connection): boolean {
    const { producerId } = connection
    return this.#byProducer.get(producerId) === connection && this.#byProducer.delete(producerId)
  }

  #rememberEnd({ id, producerId }: Connection): void {
    const ended = this.#endedByProducer
    ended.set(producerId, id)
    if (ended.size > ENDED_PRODUCERS_MAX) ended.delete(ended.keys().next().value!)
  }
}
