import { randomUUID } from 'node:crypto'
import { GomqError } from '@gomq/protocol'
import { PENDING_REQUESTS_MAX } from '../session/limits.js'
import { abortError, withSignal } from './abort.js'
import { CORRELATION_ID_HEADER, type Message, REPLY_TO_HEADER } from './message.js'
import { integerOption, type PublishOptions, type SubscribeOptions } from './options.js'
import type { Subscription } from './subscription.js'

/** How a request is made. */
export interface RequestOptions extends Pick<PublishOptions, 'qos' | 'key' | 'headers' | 'signal'> {
  /** Milliseconds until the request fails, 1 to 2,147,483,647; `requestTimeoutMs` by default. Nobody is given it after that. */
  readonly timeoutMs?: number
}

/** What requests need from a client. */
export interface RequesterPort {
  readonly timeoutMs: number
  publish(topic: string, value: unknown, options: PublishOptions): Promise<unknown>
  subscribe(filter: string, options: SubscribeOptions): Promise<Subscription>
}

interface Pending {
  resolve(reply: Message): void
  reject(error: GomqError): void
}

/** Requests of a client and the answers to them, which come over one subscription to a topic of its own. */
export class Requester {
  readonly #port: RequesterPort
  readonly #topic = `reply/${randomUUID()}`
  readonly #pending = new Map<string, Pending>()
  #lastId = 0
  #listening: Promise<void> | undefined

  constructor(port: RequesterPort) {
    this.#port = port
  }

  /**
   * Publishes a request and resolves with the first answer. Answers that come later are ignored.
   * @throws GomqError TIMEOUT  no answer in time; whether anybody has got the request is not known
   * @throws GomqError BUFFER_FULL, CLOSED, ABORTED, or why subscribing or publishing failed
   */
  request(topic: string, value: unknown, options: RequestOptions): Promise<Message> {
    const { signal } = options
    const id = `${++this.#lastId}`
    if (signal?.aborted) return Promise.reject(abortError(signal, 'request'))
    const settle = () => this.#pending.get(id)?.reject(abortError(signal!, 'request'))
    return withSignal(this.#request(id, topic, value, options), signal, 'request', settle)
  }

  async #request(id: string, topic: string, value: unknown, options: RequestOptions): Promise<Message> {
    const timeoutMs = integerOption('timeoutMs', options.timeoutMs ?? this.#port.timeoutMs, 1, 0x7fff_ffff)
    if (this.#pending.size >= PENDING_REQUESTS_MAX)
      throw new GomqError('BUFFER_FULL', `${this.#pending.size} requests wait for an answer; await some of them first`)
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise<Message>((resolve, reject) => {
        this.#pending.set(id, { resolve, reject })
        timer = setTimeout(() => reject(timeoutError(topic, timeoutMs)), timeoutMs)
        this.#send(id, topic, value, options, timeoutMs).catch(reject)
      })
    } finally {
      clearTimeout(timer)
      this.#pending.delete(id)
    }
  }

  async #send(id: string, topic: string, value: unknown, options: RequestOptions, timeoutMs: number): Promise<void> {
    this.#listening ??= this.#listen()
    await this.#listening
    // Aborted or too late meanwhile: nobody waits for an answer.
    if (!this.#pending.has(id)) return
    const headers = { ...options.headers, [REPLY_TO_HEADER]: this.#topic, [CORRELATION_ID_HEADER]: id }
    const { qos, key, signal } = options
    await this.#port.publish(topic, value, {
      headers,
      timeoutMs,
      ttlMs: timeoutMs,
      ...(qos !== undefined && { qos }),
      ...(key !== undefined && { key }),
      ...(signal !== undefined && { signal }),
    })
  }

  /** Opens the subscription to the answers; a later request tries again when that fails or when it ends. */
  async #listen(): Promise<void> {
    try {
      const answers = await this.#port.subscribe(this.#topic, { qos: 0, retained: false })
      void this.#take(answers)
    } catch (error) {
      this.#listening = undefined
      throw error
    }
  }

  async #take(answers: Subscription): Promise<void> {
    let reason = new GomqError('CLOSED', 'the client was closed before the answer came')
    try {
      for await (const answer of answers) this.#settle(answer)
    } catch (error) {
      reason = GomqError.from(error)
    }
    this.#listening = undefined
    for (const { reject } of [...this.#pending.values()]) reject(reason)
  }

  #settle(answer: Message): void {
    let id: unknown
    try {
      id = answer.headers?.[CORRELATION_ID_HEADER]
    } catch {
      // Somebody published what is no record to our topic: it answers nothing.
      return
    }
    if (typeof id === 'string') this.#pending.get(id)?.resolve(answer)
  }
}

function timeoutError(topic: string, timeoutMs: number): GomqError {
  const message = `no answer to the request to '${topic}' within ${timeoutMs} ms; it may have been received all the same`
  return new GomqError('TIMEOUT', message)
}
