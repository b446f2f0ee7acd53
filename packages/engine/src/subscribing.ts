import {
  GomqError,
  type Offset,
  PacketType,
  type SubscribePacket,
  type UnsubscribePacket,
  validateTopicFilter,
} from '@gomq/protocol'
import type { Connection } from './connection.js'
import type { Cursors } from './cursors.js'
import type { DurableSubscription } from './durable-subscriptions.js'
import type { EngineContext } from './engine-context.js'
import { DURABLE_PER_CLIENT_MAX, FILTERS_PER_CONNECTION_MAX } from './limits.js'
import type { SessionKeeper } from './session-keeper.js'
import { Subscription } from './subscription.js'

/** A SUBSCRIBE that waits for the offset of its start time. */
interface TimeSearch {
  readonly connection: Connection
  readonly packet: SubscribePacket
}

/** Opens and closes subscriptions: what a connection asks for becomes a cursor over the log. */
export class Subscribing {
  readonly #context: EngineContext
  readonly #sessions: SessionKeeper
  readonly #cursors: Cursors
  /** Durable subscriptions that a connection has, by client id and name. */
  readonly #attached = new Map<string, Subscription>()
  readonly #timeSearches = new Map<number, TimeSearch>()
  #nextSearch = 1

  constructor(context: EngineContext, sessions: SessionKeeper, cursors: Cursors) {
    this.#context = context
    this.#sessions = sessions
    this.#cursors = cursors
  }

  /** SUBSCRIBE. @throws GomqError  why there is no subscription */
  subscribe(connection: Connection, packet: SubscribePacket, nowMs: number): void {
    this.#check(connection, packet)
    if (packet.name === null) this.#open(connection, packet, undefined, nowMs)
    else this.#context.queue.whenSettled(connection.clientId, () => this.#openDurable(connection, packet, nowMs))
  }

  /** UNSUBSCRIBE. @throws GomqError NO_SUCH_SUBSCRIPTION */
  unsubscribe(connection: Connection, packet: UnsubscribePacket, nowMs: number): void {
    const { queue, send } = this.#context
    const subscription = this.of(connection, packet.subscriptionId)
    const answer = () => send(connection.id, { type: PacketType.UNSUBACK, requestId: packet.requestId })
    if (!packet.forget || subscription.name === null) {
      this.detach(connection, subscription, nowMs)
      answer()
      return
    }
    this.#detach(connection, subscription)
    const answerAcks = this.#cursors.forget(subscription)
    const { clientId } = connection
    queue.appendControl([{ kind: 'forgetSubscription', clientId, name: subscription.name }], nowMs, () => {
      answerAcks()
      answer()
    })
  }

  /** The answer to a search by time. */
  handleOffset(token: number, result: { readonly offset: Offset } | { readonly error: unknown }, nowMs: number): void {
    const search = this.#timeSearches.get(token)
    this.#timeSearches.delete(token)
    if (search === undefined) return
    const { connection, packet } = search
    if (this.#context.connections.get(connection.id) !== connection) return
    this.#answerErrors(connection, packet, () => {
      if ('error' in result) throw GomqError.from(result.error)
      // From the start again: what holds may have changed meanwhile.
      this.subscribe(connection, { ...packet, from: { kind: 'offset', offset: result.offset } }, nowMs)
    })
  }

  /** The subscription with this number on the connection. @throws GomqError NO_SUCH_SUBSCRIPTION */
  of(connection: Connection, id: number): Subscription {
    const subscription = connection.subscriptions.get(id)
    if (subscription !== undefined) return subscription
    throw new GomqError('NO_SUCH_SUBSCRIPTION', `the connection has no subscription ${id}`)
  }

  /** Ends a subscription on its connection; the place of a durable one is kept. */
  detach(connection: Connection, subscription: Subscription, nowMs: number): void {
    const wasWaiting = subscription.state === 'waiting'
    this.#detach(connection, subscription)
    if (subscription.name === null) return
    if (wasWaiting) this.#cursors.drop(subscription)
    else this.#cursors.keep(subscription, nowMs)
  }

  #detach(connection: Connection, subscription: Subscription): void {
    const { name } = subscription
    connection.subscriptions.delete(subscription.id)
    connection.filterCount -= subscription.filters.length
    this.#context.delivery.detach(subscription)
    if (name !== null) this.#attached.delete(keyOf(connection.clientId, name))
  }

  #check(connection: Connection, packet: SubscribePacket): void {
    const { authorizer } = this.#context
    const { filters, name, subscriptionId } = packet
    if (filters.length === 0) throw new GomqError('INVALID_FILTER', 'a subscription needs at least one topic filter')
    for (const filter of filters) {
      validateTopicFilter(filter)
      const refusal = authorizer.maySubscribe(connection.identity, filter)
      if (refusal !== undefined) throw refusal
    }
    if (connection.subscriptions.has(subscriptionId))
      throw new GomqError(
        'SUBSCRIPTION_IN_USE',
        `subscription ${subscriptionId} exists on this connection; choose another number`,
      )
    if (connection.filterCount + filters.length > FILTERS_PER_CONNECTION_MAX)
      throw new GomqError('LIMIT_EXCEEDED', `the connection would have more than ${FILTERS_PER_CONNECTION_MAX} filters`)
    if (name === null) return
    if (!connection.isNamed)
      throw new GomqError('INVALID_ARGUMENT', 'a durable subscription belongs to a client id; connect with one')
    if (this.#attached.has(keyOf(connection.clientId, name)))
      throw new GomqError(
        'SUBSCRIPTION_IN_USE',
        `the durable subscription ${JSON.stringify(name)} is in use on this connection`,
      )
  }

  /** Everything that was on its way for the client has committed. */
  #openDurable(connection: Connection, packet: SubscribePacket, nowMs: number): void {
    const { connections, state } = this.#context
    if (connections.get(connection.id) !== connection) return
    this.#answerErrors(connection, packet, () => {
      this.#check(connection, packet)
      const { clientId } = connection
      const known = state.durables.get(clientId, packet.name!)
      if (known === undefined && state.durables.countOf(clientId) >= DURABLE_PER_CLIENT_MAX)
        throw new GomqError(
          'LIMIT_EXCEEDED',
          `the client has ${DURABLE_PER_CLIENT_MAX} durable subscriptions, the limit; forget one`,
        )
      if (known === undefined) this.#sessions.checkRoom(connection)
      this.#open(connection, packet, known, nowMs)
    })
  }

  #open(connection: Connection, packet: SubscribePacket, known: DurableSubscription | undefined, nowMs: number): void {
    const { from, name } = packet
    if (known === undefined && from.kind === 'time') {
      const token = this.#nextSearch++
      this.#timeSearches.set(token, { connection, packet })
      this.#context.options.outbox.findOffset(token, from.timeMs)
      return
    }
    const asked = known === undefined ? this.#startOffset(packet) : (known.position as Offset)
    const { logStartOffset } = this.#context.delivery
    const position = known === undefined && asked < logStartOffset ? logStartOffset : asked
    const subscription = new Subscription({
      connection,
      id: packet.subscriptionId,
      filters: packet.filters,
      qos: packet.qos,
      name,
      creditMessages: packet.creditMessages,
      creditBytes: packet.creditBytes,
      position,
      unacked: known?.unacked ?? this.#retainedBelow(packet, position),
      isResumed: known !== undefined,
      floorsAtStart: known === undefined && from.kind === 'earliest' ? this.#context.state.policies.floors : undefined,
    })
    connection.subscriptions.set(subscription.id, subscription)
    connection.filterCount += subscription.filters.length
    const attach = () => this.#attach(subscription, packet.requestId, asked)
    if (name === null) return attach()
    this.#attached.set(keyOf(connection.clientId, name), subscription)
    if (known !== undefined && isSame(known, packet)) attach()
    else this.#persist(connection, subscription, { name, requestId: packet.requestId, attach }, nowMs)
  }

  /** Writes what the subscription is before anything is delivered. */
  #persist(
    connection: Connection,
    subscription: Subscription,
    { name, requestId, attach }: { name: string; requestId: number; attach: () => void },
    nowMs: number,
  ): void {
    const { filters, qos } = subscription
    this.#context.queue.appendControl(
      [
        ...this.#sessions.recordsToKeep(connection),
        {
          kind: 'subscription',
          clientId: connection.clientId,
          name,
          filters,
          qos,
          position: subscription.resumeAt,
          unacked: subscription.unacked.toArray(),
        },
      ],
      nowMs,
      () => {
        if (subscription.state === 'waiting') attach()
        else
          this.#context.send(connection.id, {
            type: PacketType.ERROR,
            requestId,
            code: 'NO_SUCH_SUBSCRIPTION',
            message: 'the subscription was ended before it stood',
          })
      },
    )
  }

  #attach(subscription: Subscription, requestId: number, askedFrom: Offset): void {
    const { delivery, send } = this.#context
    send(subscription.connection.id, {
      type: PacketType.SUBACK,
      requestId,
      subscriptionId: subscription.id,
      startOffset: subscription.resumeAt,
      resumed: subscription.isResumed,
    })
    delivery.attach(subscription, askedFrom)
  }

  /** Where a new subscription is to begin; below the log's start means there. @throws GomqError OFFSET_OUT_OF_RANGE */
  #startOffset({ from }: SubscribePacket): Offset {
    const { highWatermark, logStartOffset } = this.#context.delivery
    if (from.kind === 'earliest') return logStartOffset
    if (from.kind !== 'offset') return highWatermark
    if (from.offset > highWatermark) {
      throw new GomqError(
        'OFFSET_OUT_OF_RANGE',
        `offset ${from.offset} is outside the log, ${logStartOffset} to ${highWatermark}; start from one in it, from 'earliest' or from 'new'`,
      )
    }
    return from.offset
  }

  /** The retained messages that a new subscription gets first, as ranges of offsets [MQTT-3.3.1-6]. */
  #retainedBelow(packet: SubscribePacket, start: Offset): number[] {
    if (!packet.retained) return []
    const ranges: number[] = []
    for (const offset of this.#context.state.retained.matching(packet.filters, start)) {
      if (ranges.at(-1) === offset) ranges[ranges.length - 1] = offset + 1
      else ranges.push(offset, offset + 1)
    }
    return ranges
  }

  /** A SUBSCRIBE that is carried out later than it came answers for itself. */
  #answerErrors(connection: Connection, { requestId }: SubscribePacket, run: () => void): void {
    try {
      run()
    } catch (error) {
      if (!(error instanceof GomqError)) throw error
      const { code, message } = error
      this.#context.send(connection.id, { type: PacketType.ERROR, requestId, code, message })
    }
  }
}

function keyOf(clientId: string, name: string): string {
  return `${clientId}\0${name}`
}

function isSame(known: DurableSubscription, packet: SubscribePacket): boolean {
  return (
    known.qos === packet.qos &&
    known.filters.length === packet.filters.length &&
    known.filters.every((filter, i) => filter === packet.filters[i])
  )
}
