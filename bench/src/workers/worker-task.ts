import type { LoopProfile } from '../profile/profiler.js'
import type { LatencySummary } from '../statistics.js'
import type { Warmed } from './warm-up.js'

/** What one worker process does, and against what. */
export type WorkerTask = {
  readonly system: string
  readonly address: string
  readonly messageBytes: number
  /** Undefined: messages of one byte repeated. Otherwise JSON, compressed so by the client. */
  readonly compression?: 'none' | 'deflate' | undefined
  /** Whether the result has a profile. */
  readonly isProfiled: boolean
} & (ProduceTask | ConsumeTask | AwaitedTask | PacedTask)

/** Publishes as fast as it can. */
export interface ProduceTask {
  readonly kind: 'produce'
  /** Each publishes its share. */
  readonly connections: number
  /** 1: the topic that consumers read; more: so many of them in turn. */
  readonly topics: number
  readonly qos: 0 | 1
}

/** Consumes, and counts how often each message came. */
export interface ConsumeTask {
  readonly kind: 'consume'
  readonly subscribers: readonly string[]
  /** Who reads the same messages before, for the warm-up, where they are stored already; undefined: they are published while the subscribers consume. */
  readonly stored?: { readonly warmUpAs: string }
  readonly qos: 0 | 1
  /** Whether the messages say when they should have been sent. */
  readonly isTimed: boolean
}

/** Publishes one message after the other, each awaited, as many as there is time for. */
export interface AwaitedTask {
  readonly kind: 'awaited'
  readonly sec: number
}

/** Publishes at a fixed rate, whatever the broker does. */
export interface PacedTask {
  readonly kind: 'paced'
  readonly ratePerSec: number
}

/**
 * What the harness says to a worker, in this order.
 *
 * `warm-up`: the producer publishes at most so many messages, for about so long, as fast as it can; a consumer receives these.
 * `start`: so many messages are measured, for each subscriber; of one who awaits each, at most.
 * `finish`: nothing more is published; what has not come soon is lost.
 */
export type WorkerOrder =
  | { readonly kind: 'warm-up'; readonly messages: number; readonly sec: number }
  | { readonly kind: 'start'; readonly messages: number }
  | { readonly kind: 'finish' }

/** The orders of one kind. */
export type OrderOf<K extends WorkerOrder['kind']> = Extract<WorkerOrder, { kind: K }>

/** The harness, as a worker sees it. */
export interface Orders {
  /** Says that the worker is connected, and waits for the order to warm up. */
  warmUp(): Promise<OrderOf<'warm-up'>>
  /**
   * Says that the worker is warm, and waits for the order to start. CPU counts from here.
   * @param warmed  what the warm-up was; of a consumer without a rate
   * @returns the messages to measure
   */
  start(warmed: Warmed): Promise<number>
  /** Settles when nothing more is published. */
  readonly finished: Promise<unknown>
}

/** What a worker measured. */
export interface WorkerResult {
  /** Messages that were measured, of all connections or subscribers together, and how many of them a second. */
  readonly messages: number
  readonly ratePerSec: number
  /** CPU seconds since the order to start. */
  readonly cpuSec: number
  readonly latency?: LatencySummary
  /** Messages that never came, and copies of those that came before; of a consumer. */
  readonly lost?: number
  readonly duplicated?: number
  /** From the order to start on. */
  readonly profile?: LoopProfile
}

/** What a worker says. */
export type WorkerReport =
  | { readonly kind: 'ready' }
  | ({ readonly kind: 'warm' } & Warmed)
  | { readonly kind: 'progress'; readonly messages: number }
  | ({ readonly kind: 'done' } & WorkerResult)

/** Tells the harness. */
export function report(message: WorkerReport): void {
  process.send!(message)
}

/** Reports of progress in a measurement. */
const REPORTS = 50

/** Reports progress from time to time. @returns called with the number of messages that are done since the last call */
export function progressOf(total: number): (count: number) => void {
  const step = Math.ceil(total / REPORTS)
  let [seen, reportAt] = [0, step]
  return (count) => {
    seen += count
    if (seen < reportAt) return
    reportAt = seen + step
    report({ kind: 'progress', messages: seen })
  }
}
