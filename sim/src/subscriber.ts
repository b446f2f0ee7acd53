import type { SubscriptionState } from '@gomq/client/testing'
import {
  DeliveredRecords,
  type DeliverPacket,
  type GomqError,
  type Offset,
  PacketType,
  type StartPosition,
} from '@gomq/protocol'
import { ClientProcess } from './client-process.js'
import type { OtherCall, SubscriptionLife } from './history.js'
import type { World } from './world.js'

/** Silence after which a subscriber is taken to have everything. */
const QUIET_MS = 3_000

/** What a subscriber is. */
export interface SubscriberPlan {
  readonly clientId: string
  readonly filters: readonly string[]
  readonly qos: 1 | 2
  readonly isDurable: boolean
  readonly from: StartPosition
  /** Share of the messages that it acknowledges. */
  readonly ackShare: number
  /** Milliseconds between two polls, at most. */
  readonly pollMsMax: number
  readonly prefetchMessages: number
  /** Whether it asks for the retained messages first. */
  readonly retained?: boolean
}

/** Polls a subscription, records what comes, acknowledges some of it, late and in odd order. */
export class Subscriber {
  readonly plan: SubscriberPlan
  readonly #world: World
  #process!: ClientProcess
  #state!: SubscriptionState
  #life!: SubscriptionLife
  #lives = 0
  #calls: OtherCall[] = []
  #isDraining = false
  #lastGotMs = 0

  constructor(plan: SubscriberPlan, world: World) {
    this.plan = plan
    this.#world = world
    this.restart()
  }

  get life(): SubscriptionLife {
    return this.#life
  }

  /** Whether it has caught up once and nothing has come for a while: a broker that still owes something would have sent it. */
  get isDrained(): boolean {
    if (this.#state.end !== undefined || this.#state.tailOffset === undefined) return false
    return this.#world.clock.nowMs() - this.#lastGotMs > QUIET_MS
  }

  /** The process dies (if it runs) and comes back. */
  restart(): void {
    if (this.#lives > 0) {
      this.#process.kill()
      for (const call of this.#calls) if (call.outcome === 'pending') call.outcome = 'info'
    }
    this.#start()
  }

  /** A second process with the same client id takes over; the first one lives until it is told. */
  takeOver(): void {
    this.#start()
  }

  /** From now on takes everything quickly and acknowledges nothing; durable subscriptions begin a new life for that. */
  drain(): void {
    this.#isDraining = true
    this.#lastGotMs = this.#world.clock.nowMs()
    if (this.plan.isDurable || !this.#process.isRunning || this.#state.end !== undefined) this.restart()
  }

  /** Ends the client; what is not answered fails. */
  end(): void {
    this.#process.end()
  }

  #start(): void {
    const { world, plan } = { world: this.#world, plan: this.plan }
    const name = `${plan.clientId}.${++this.#lives}`
    world.trace.add(name, 'starts')
    this.#calls = []
    const process = new ClientProcess(name, plan.clientId, world, () => {
      if (this.#process === process) world.clock.schedule(200, () => this.#process === process && this.restart())
    })
    const life: SubscriptionLife = {
      subscriber: name,
      filters: plan.filters,
      durable: plan.isDurable ? plan.clientId : null,
      from: plan.from,
      delivered: [],
      ackCalled: new Set(),
      ackConfirmed: new Map(),
      missed: [],
      connections: 0,
      subscribedMs: Number.POSITIVE_INFINITY,
      isDrained: false,
    }
    process.onPacket = (sentMs, packet) => {
      if (packet.type === PacketType.CONNACK) life.connections++
      if (packet.type !== PacketType.DELIVER) return
      const offsets = this.#offsetsOf(packet)
      world.trace.add(name, `was sent ${offsets.join(' ')} ${world.clock.nowMs() - sentMs} ms ago`)
      world.history.arrive(life, offsets, sentMs)
      world.witness?.deliveries.handleSent(name, offsets, sentMs)
    }
    this.#process = process
    this.#life = life
    world.history.lives.push(life)
    this.#subscribe()
    this.#pollLater(process, this.#state, life, [])
  }

  #subscribe(): void {
    const { plan } = this
    const { clock, trace } = this.#world
    const process = this.#process
    const life = this.#life
    const call = this.#call(`${process.name}: subscribe`)
    const request = {
      filters: plan.filters,
      qos: plan.qos,
      name: plan.isDurable ? 'sub' : null,
      from: plan.from,
      prefetchMessages: plan.prefetchMessages,
      prefetchBytes: 64 * 1024,
      untilEnd: false,
      gathersAcks: false,
      retained: plan.retained ?? false,
    }
    const listener = {
      handleReadable: () => undefined,
      handleTail: () => undefined,
      handleLag: () => undefined,
      handleMissed: (from: Offset, to: Offset) => {
        trace.add(process.name, `missed ${from} to ${to}`)
        life.missed.push([from, to])
      },
    }
    const waiter = {
      resolve: () => {
        call.outcome = 'ok'
        life.subscribedMs = clock.nowMs()
      },
      reject: (error: GomqError) => {
        call.outcome = 'info'
        trace.add(process.name, `subscribe failed: ${error.code}`)
        if (process.isRunning && this.#process === process) clock.schedule(100, () => this.restart())
      },
    }
    this.#state = process.session.subscribe(request, listener, waiter, process.nowMs())
  }

  #pollLater(process: ClientProcess, state: SubscriptionState, life: SubscriptionLife, unacked: number[]): void {
    const { random, clock } = this.#world
    clock.schedule(1 + random.below(this.#isDraining ? 20 : this.plan.pollMsMax), () => {
      if (!process.isRunning) return
      const count = this.#isDraining ? 1_000 : 1 + random.below(8)
      for (let i = 0; i < count; i++) {
        if (!state.advance()) break
        this.#lastGotMs = clock.nowMs()
        const { records, index } = state
        const { topic } = records
        const offset = records.offsetAt(index)
        const { value: bytes, headers } = records.record(index)
        const value = headers?.['id']?.toString() ?? new TextDecoder().decode(bytes)
        this.#world.trace.add(process.name, `got ${value} at ${offset} of ${topic}`)
        life.delivered.push({ offset, topic, value })
        this.#world.witness?.deliveries.handleRead(process.name, offset, value)
        if (offset >= 0 && random.chance(this.plan.ackShare)) unacked.push(offset)
      }
      if (!this.#isDraining && random.chance(0.6)) this.#ackSome(process, state, life, unacked)
      process.flush()
      this.#pollLater(process, state, life, unacked)
    })
  }

  #ackSome(process: ClientProcess, state: SubscriptionState, life: SubscriptionLife, unacked: number[]): void {
    const { random, clock } = this.#world
    for (let count = random.below(unacked.length + 1); count > 0; count--) {
      const at = random.chance(0.5) ? 0 : random.below(unacked.length)
      const [offset] = unacked.splice(at, 1)
      const group = state.ack(offset as never)
      life.ackCalled.add(offset!)
      if (group === undefined) continue
      const call = this.#call(`${process.name}: ack ${offset}`)
      group.onSettled((error) => {
        if (!process.isRunning && process.isKilled) return
        call.outcome = error === null ? 'ok' : 'info'
        if (error === null) {
          life.ackConfirmed.set(offset!, clock.nowMs())
          this.#world.trace.add(process.name, `ack ${offset} confirmed`)
        }
      })
    }
  }

  #offsetsOf({ header, ranges, payload }: DeliverPacket): number[] {
    const records =
      header === null
        ? DeliveredRecords.ofBatch(payload, this.#world.crc32, { ranges })
        : DeliveredRecords.ofPart(header, ranges ?? [], payload)
    return Array.from({ length: records.count }, (_, index) => records.offsetAt(index))
  }

  #call(what: string): OtherCall {
    const call = this.#world.history.call(what)
    this.#calls.push(call)
    return call
  }
}
