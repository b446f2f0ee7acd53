import { invariant } from './errors.js'

declare const brand: unique symbol

/** Position of a record in a log: an integer from 0 to 2^53 - 1, or {@link NO_OFFSET}. */
export type Offset = number & { readonly [brand]: 'Offset' }

/** Number of a reign of one leader: an integer from 0 to 2^32 - 1; a greater one fences a smaller one. */
export type Epoch = number & { readonly [brand]: 'Epoch' }

/** Identity of a producer: a random integer from 1 to 2^53 - 1; 0 stands for "not idempotent". */
export type ProducerId = number & { readonly [brand]: 'ProducerId' }

/** Offset of a message that is in no log (QoS 0 without retain), and of an answer that cannot name one. */
export const NO_OFFSET: Offset = -1 as Offset

/** Brands `value` as an offset. A value that is no integer from -1 to 2^53 - 1 is a bug. */
export function offset(value: number): Offset {
  invariant(Number.isSafeInteger(value) && value >= -1, `offset ${value} is outside -1 to 2^53 - 1`)
  return value as Offset
}

/** Brands `value` as an epoch. A value that is no integer from 0 to 2^32 - 1 is a bug. */
export function epoch(value: number): Epoch {
  invariant(Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff, `epoch ${value} is outside 0 to 2^32 - 1`)
  return value as Epoch
}

/** Brands `value` as a producer id. A value that is no integer from 0 to 2^53 - 1 is a bug. */
export function producerId(value: number): ProducerId {
  invariant(Number.isSafeInteger(value) && value >= 0, `producer id ${value} is outside 0 to 2^53 - 1`)
  return value as ProducerId
}
