import { Attribute, type GomqError } from '@gomq/protocol'
import { messageValue } from './checker.js'
import { ClientProcess } from './client-process.js'
import type { Outcome, PublishCall } from './history.js'
import { GOVERNED_TOPICS, KEPT_TOPIC } from './operator.js'
import type { World } from './world.js'

/** Topics of a run. */
export const TOPICS: readonly string[] = ['a', 'a/b', 'a/b/c', 'd/b', 'd/e']

/** And with an operator. */
const ALL_TOPICS: readonly string[] = [...TOPICS, ...GOVERNED_TOPICS, ...GOVERNED_TOPICS, KEPT_TOPIC]

/** What is retained here comes early and stays, however far retention has come. */
const EARLY_TOPIC = 'r/b'
const EARLY_PUBLISHES = 150

const KEYS = ['x', 'y', 'z', 'w']

/** Where the wills of publishers go. */
const WILL_TOPIC = 'wills'

/** The broker refuses it, which leaves a hole in the sequence of the producer. */
const FORBIDDEN_TOPIC = '$forbidden'

/** Codes after which nobody knows whether the message is stored. */
const UNKNOWN = new Set([
  'TIMEOUT',
  'CLOSED',
  'OUTCOME_UNKNOWN',
  'INTERNAL',
  'STORAGE_FAILED',
  'SESSION_TAKEN_OVER',
  'ABORTED',
])

/** Publishes unique messages of every kind, one after the other, now and then several at once. */
export class Publisher {
  readonly clientId: string
  readonly #world: World
  #process!: ClientProcess
  #lives = 0
  #sequence = 0
  #calls: PublishCall[] = []
  #isStopped = false

  constructor(clientId: string, world: World) {
    this.clientId = clientId
    this.#world = world
    this.restart()
    this.#publishLater()
  }

  /** The process dies (if it runs) and comes back as a new producer of the same client id. */
  restart(): void {
    if (this.#isStopped) return
    if (this.#lives > 0) {
      this.#process.kill()
      for (const call of this.#calls) if (call.outcome === 'pending') call.outcome = 'info'
    }
    this.#calls = []
    this.#sequence = 0
    const name = `${this.clientId}.${++this.#lives}`
    this.#world.trace.add(name, 'starts')
    const onExpelled = () => void this.#world.clock.schedule(200, () => this.restart())
    this.#process = new ClientProcess(name, this.clientId, this.#world, onExpelled, WILL_TOPIC)
  }

  /** Whether everything is answered. */
  get isIdle(): boolean {
    return this.#process.session.producer.isIdle
  }

  /** Publishes no more. */
  stop(): void {
    this.#isStopped = true
  }

  /** The process goes without a word. */
  lose(): void {
    this.#process.lose()
  }

  /** Ends the client; what is not answered fails. */
  end(): void {
    this.#process.end()
  }

  #publishLater(): void {
    const { random } = this.#world
    this.#world.clock.schedule(1 + random.below(60), () => {
      if (this.#isStopped) return
      const count = random.chance(0.1) ? 1 + random.below(12) : 1
      for (let i = 0; i < count && this.#process.isRunning; i++) this.#publish()
      this.#process.flush()
      this.#publishLater()
    })
  }

  #publish(): void {
    const { random, history, trace, isGoverned } = this.#world
    const { name } = this.#process
    const qos = random.pick([0, 1, 1, 2, 2])
    const wantsRetain = random.chance(0.2)
    const topics = isGoverned ? ALL_TOPICS : TOPICS
    const topic = random.chance(0.02) ? FORBIDDEN_TOPIC : random.pick(topics)
    const key = topic.startsWith('k/') ? random.pick(KEYS) : null
    const retain = wantsRetain && (topic !== EARLY_TOPIC || history.publishes.length < EARLY_PUBLISHES)
    const isTombstone = key !== null && !retain && random.chance(0.2)
    const nowMs = this.#process.nowMs()
    const sequence = this.#sequence++
    const isLogged = qos > 0 || retain
    const call: PublishCall = {
      publisher: name,
      sequence,
      topic,
      isLogged,
      isRetained: retain,
      key,
      isTombstone,
      calledMs: nowMs,
      duringFaults: this.#world.isFaulty,
      outcome: 'pending',
      offset: -1,
    }
    history.publishes.push(call)
    this.#calls.push(call)
    const settle = (outcome: Outcome, what: string) => {
      if (call.outcome !== 'pending') return
      call.outcome = outcome
      trace.add(name, `publish ${sequence} ${outcome} ${what}`)
    }
    const request = {
      topic,
      attributes: qos | (retain ? Attribute.RETAIN : 0) | (key === null ? 0 : Attribute.KEYED),
      key,
      value: isTombstone ? '' : messageValue(name, sequence),
      headers: isTombstone ? { id: messageValue(name, sequence) } : null,
      timestampMs: nowMs,
      ttlMs: 0,
      timestampDeltaMs: 0,
      timeoutMs: 6_000,
    }
    const waiter = {
      resolve: ({ offset }: { readonly offset: number }) => {
        call.offset = offset
        this.#world.witness?.deliveries.handleAcknowledged(name, offset)
        settle('ok', `at ${offset}`)
      },
      reject: (error: GomqError) => settle(UNKNOWN.has(error.code) ? 'info' : 'fail', error.code),
    }
    this.#process.session.publish(request, waiter, nowMs)
  }
}
