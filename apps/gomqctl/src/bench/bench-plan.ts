import type { SubscribeFrom } from '@gomq/client'

/** What a bench that publishes does. */
export interface LoadPlan {
  readonly kind: 'pub' | 'e2e' | 'latency'
  /** Number by which its messages are told from those of others. */
  readonly run: number
  /** What the user named, or a fresh one: the topic, or what all topics begin with. */
  readonly topic: string
  readonly topics: readonly string[]
  /** Matches all topics. */
  readonly filter: string
  readonly qos: 0 | 1 | 2
  /** Of each payload. */
  readonly sizeBytes: number
  readonly producers: number
  /** Each gets every message. */
  readonly consumers: number
  /** Messages a second of all producers together; 0: as fast as they are acknowledged. */
  readonly ratePerSec: number
  /** Whether the clock is watched for what is due; else a timer says so. */
  readonly isPrecise: boolean
  /** Messages of a producer that may be unacknowledged. */
  readonly window: number
  /** Messages of all producers; undefined: until `durationMs` is over. */
  readonly messages: number | undefined
  readonly durationMs: number
  /** Part of the messages, or of the time, that is not measured. */
  readonly warmupShare: number
}

/** What a bench that only reads does. */
export interface ReadPlan {
  readonly kind: 'sub'
  readonly filters: readonly string[]
  readonly from: SubscribeFrom
  readonly qos: 0 | 1 | 2
  readonly consumers: number
  /** Messages for each consumer; undefined: no bound. */
  readonly messages: number | undefined
  /** Undefined: until the end of what is stored, or so many messages. */
  readonly durationMs: number | undefined
  readonly warmupShare: number
}
