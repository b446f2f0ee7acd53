import type { SubscribeFrom } from '@gomq/client'
import { InvalidArgumentError } from 'commander'
import { parseSizeBytes } from '../options.js'

/** Which bench. */
export type BenchKind = 'pub' | 'sub' | 'e2e' | 'latency'

/** Options of the benches; each takes those that mean something to it. */
export interface BenchFlags {
  readonly messages?: number
  /** Milliseconds. */
  readonly duration?: number
  /** Bytes of a payload. */
  readonly size: number
  readonly producers: number
  readonly consumers: number
  readonly topics: number
  /** Messages a second, of all producers together; 0: as fast as they are acknowledged. */
  readonly rate: number
  /** Whether the clock is watched for what is due. */
  readonly precise?: boolean
  /** Messages of a producer that may be unacknowledged. */
  readonly window: number
  /** Part that is not measured. */
  readonly warmup: number
  /** Milliseconds between two lines about how it goes. */
  readonly interval?: number
  readonly from: SubscribeFrom
}

/** Greatest payload: no broker takes a greater one. */
const SIZE_BYTES_MAX: number = 64 * 1024 * 1024
/** Messages a second that may be asked for. */
const RATE_MAX = 10_000_000

/** A parser of whole numbers from 1 to `max`. */
export function countUpTo(max: number): (text: string) => number {
  return (text) => {
    if (/^[1-9]\d{0,14}$/.test(text) && Number(text) <= max) return Number(text)
    throw new InvalidArgumentError(`Use a whole number from 1 to ${max}.`)
  }
}

/** Messages a second, 0 to 10,000,000. */
export function parseRate(text: string): number {
  if (/^\d{1,8}(\.\d{1,6})?$/.test(text) && Number(text) <= RATE_MAX) return Number(text)
  throw new InvalidArgumentError(`Use messages a second, up to ${RATE_MAX}; 0: as fast as they are acknowledged.`)
}

/** A part of a whole, 0 to 0.9. */
export function parseShare(text: string): number {
  if (/^0(\.\d{1,6})?$/.test(text) && Number(text) <= 0.9) return Number(text)
  throw new InvalidArgumentError('Use a share from 0 to 0.9, such as 0.1.')
}

/** Bytes of a payload, 1 to 64 MiB. */
export function parsePayloadBytes(text: string): number {
  const bytes = parseSizeBytes(text)
  if (bytes > SIZE_BYTES_MAX) throw new InvalidArgumentError('Use at most 64MiB.')
  return bytes
}
