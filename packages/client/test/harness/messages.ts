import { Attribute } from '@gomq/protocol'
import type { PublishRequest } from '../../src/session/publish-request.js'

/** A QoS 1 message with plain text. */
export function message(topic: string, value: string, init: Partial<PublishRequest> = {}): PublishRequest {
  const defaults = { key: null, headers: null, ttlMs: 0, timestampMs: 1000, timestampDeltaMs: 0, timeoutMs: 10_000 }
  return { topic, value, attributes: 1 & Attribute.QOS_MASK, ...defaults, ...init }
}

/** A waiter that remembers its outcome, and fails when it is told twice. */
export class Outcome<T> {
  value: T | undefined
  error: Error | undefined
  get isSettled(): boolean {
    return this.value !== undefined || this.error !== undefined
  }
  readonly resolve = (value: T): void => {
    this.#once()
    this.value = value ?? (true as T)
  }
  readonly reject = (error: Error): void => {
    this.#once()
    this.error = error
  }
  #once(): void {
    if (this.isSettled) throw new Error('settled twice')
  }
}
