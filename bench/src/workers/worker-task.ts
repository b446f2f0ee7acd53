import type { LatencySummary } from '../statistics.js'

/** What one worker process does, and against what. */
export type WorkerTask = {
  readonly system: string
  readonly address: string
  readonly messageBytes: number
  /** Undefined: messages of one byte repeated. Otherwise JSON, compressed so by the client. */
  readonly compression?: 'none' | 'deflate' | undefined
} & (ProduceTask | ConsumeTask | AwaitedTask | PacedTask)

/** Publishes as fast as it can. */
export interface ProduceTask {
  readonly kind: 'produce'
  readonly messages: number
  /** Each publishes its share. */
  readonly connections: number
  /** 1: the topic that consumers read; more: so many of them in turn. */
  readonly topics: number
  readonly qos: 0 | 1
}

/** Consumes, and counts how often each message came. */
export interface ConsumeTask {
  readonly kind: 'consume'
  /** For each subscriber. */
  readonly messages: number
  readonly subscribers: readonly string[]
  readonly isStored: boolean
  readonly qos: 0 | 1
  /** Whether the messages say when they should have been sent. */
  readonly isTimed: boolean
}

/** Publishes one message after the other, each awaited. */
export interface AwaitedTask {
  readonly kind: 'awaited'
  readonly messages: number
}

/** Publishes at a fixed rate, whatever the broker does. */
export interface PacedTask {
  readonly kind: 'paced'
  readonly messages: number
  readonly ratePerSec: number
}

/** What the harness says to a worker. `finish`: nothing more is published; what has not come soon is lost. */
export type WorkerOrder = 'start' | 'finish'

/** What a worker measured. */
export interface WorkerResult {
  /** Messages a second, warm-up left out. */
  readonly ratePerSec: number
  /** CPU seconds since the order to start, or since it was ready. */
  readonly cpuSec: number
  readonly latency?: LatencySummary
  /** Messages that never came, and copies of those that came before; of a consumer. */
  readonly lost?: number
  readonly duplicated?: number
}

/** What a worker says. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'progress'; readonly messages: number }
  | ({ readonly kind: 'done' } & WorkerResult)

/** Tells the harness. */
export function report(message: WorkerReport): void {
  process.send!(message)
}
