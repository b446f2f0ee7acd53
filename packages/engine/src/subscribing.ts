import {
  type ErrorCode,
  GomqError,
  type LagreqPacket,
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
import { DURABLE_PER_CLIENT_MAX, FILTERS_PER_CONNECTION_MAX, RETAINED_PER_DURABLE_MAX } from './limits.js'
import type { SessionKeeper } from './session-keeper.js'
import { Subscription } from './subscription.js'

const ENDED_EARLY = 'the subscription was ended before it stood'

/** A SUBSCRIBE that waits for the offset of its start time. */
interface TimeSearch {
  readonly connection: Connection
  readonly packet: SubscribePacket
}

/** A subscription on its way to stand. */
interface Opening {
  readonly subscription: Subscription
  /** Of the SUBSCRIBE that is to be answered. */
  readonly requestId: number
  /** Where it was to begin, perhaps below the log's start. */
  readonly askedFrom: Offset
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

  /** LAGREQ. @throws GomqError NO_SUCH_SUBSCRIPTION */
  lag(connection: Connection, { requestId, subscriptionId }: LagreqPacket): void {
    const { delivery, send } = this.#context
    const { highWatermark } = delivery
    const position = this.of(connection, subscriptionId).cursorPosition(highWatermark) as Offset
    send(connection.id, { type: PacketType.LAGRESP, requestId, position, highWatermark })
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
      unacked: known?.unacked ?? [],
      isResumed: known !== undefined,
      getsRetained: known === undefined && packet.retained,
      floorsAtStart: known === undefined && from.kind === 'earliest' ? this.#context.state.policies.floors : undefined,
    })
    connection.subscriptions.set(subscription.id, subscription)
    connection.filterCount += subscription.filters.length
    if (name !== null) this.#attached.set(keyOf(connection.clientId, name), subscription)
    const opening = { subscription, requestId: packet.requestId, askedFrom: asked }
    if (known !== undefined && isSame(known, packet)) this.#attach(opening)
    else if (known === undefined && packet.retained) this.#search(opening, nowMs)
    else this.#stand(opening, nowMs)
  }

  /** Looks for what is retained below the start of a new subscription [MQTT-3.3.1-6]: as much as it begins with; of a durable one, everything. */
  #search(opening: Opening, nowMs: number): void {
    this.#context.delivery.searches.find(opening.subscription, nowMs, (foundMs) => this.#found(opening, foundMs))
  }

  #found(opening: Opening, nowMs: number): void {
    const { subscription, requestId } = opening
    const { connection, name, retainedTo, resumeAt, unacked } = subscription
    const refuse = (code: ErrorCode, message: string) =>
      this.#context.send(connection.id, { type: PacketType.ERROR, requestId, code, message })
    if (subscription.state !== 'waiting') {
      refuse('NO_SUCH_SUBSCRIPTION', ENDED_EARLY)
      return
    }
    if (name !== null && unacked.count > RETAINED_PER_DURABLE_MAX) {
      this.#detach(this.#context.connections.get(connection.id)!, subscription)
      refuse(
        'LIMIT_EXCEEDED',
        `the filters match ${unacked.count} retained messages or more, and a durable subscription begins with ${RETAINED_PER_DURABLE_MAX} at most; narrow the filters, or subscribe without them or without a name`,
      )
      return
    }
    if (name !== null && retainedTo < resumeAt) {
      this.#search(opening, nowMs)
      return
    }
    subscription.goBack()
    this.#stand(opening, nowMs)
  }

  /** The subscription is complete: a durable one is written down first. */
  #stand(opening: Opening, nowMs: number): void {
    const { connection, name } = opening.subscription
    if (name === null) this.#attach(opening)
    else this.#persist(this.#context.connections.get(connection.id)!, opening, name, nowMs)
  }

  /** Writes what the subscription is before anything is delivered. */
  #persist(connection: Connection, opening: Opening, name: string, nowMs: number): void {
    const { subscription, requestId } = opening
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
        if (subscription.state === 'waiting') this.#attach(opening)
        else
          this.#context.send(connection.id, {
            type: PacketType.ERROR,
            requestId,
            code: 'NO_SUCH_SUBSCRIPTION',
            message: ENDED_EARLY,
          })
      },
    )
  }

  #attach({ subscription, requestId, askedFrom }: Opening): void {
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
