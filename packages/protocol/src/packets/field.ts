import { ERROR_TABLE, type ErrorCode, errorCodeFromWire, GomqError } from '../errors.js'

/** How one field of a packet looks on the wire, and which values are accepted there. */
export interface Field<T> {
  /** For the reference documentation and for messages. */
  readonly description: string
  /** The msgpack value to send. */
  encode(value: T): unknown
  /** The checked value of what arrived. @throws GomqError MALFORMED_FRAME */
  decode(value: unknown, where: string): T
  /** Set for a field that peers may leave out at the end of the packet: see {@link addedLater}. */
  readonly isAddedLater?: boolean
}

function refuse(where: string, expected: string, value: unknown): never {
  throw new GomqError('MALFORMED_FRAME', `${where} is ${describe(value)}; expected ${expected}`)
}

/** What `value` is, without its content: a peer must not write into our log, nor make us build long texts. */
function describe(value: unknown): string {
  if (typeof value === 'string') return `text of ${value.length} characters`
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`
  if (Array.isArray(value)) return `an array of ${value.length}`
  if (value instanceof Map) return `a map of ${value.size}`
  return value === null ? 'nil' : String(value)
}

function asIs<T>(description: string, accepts: (value: unknown) => boolean): Field<T> {
  return {
    description,
    encode: (value) => value,
    decode: (value, where) => (accepts(value) ? (value as T) : refuse(where, description, value)),
  }
}

/** An integer from `min` to `max`. */
export function integer<T extends number = number>(min: number, max: number): Field<T> {
  return asIs(
    `integer from ${min} to ${max}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max,
  )
}

/** An integer from 0 to 2^32 - 1. */
export const u32: Field<number> = integer(0, 0xffff_ffff)

/** An integer from -1 to 2^53 - 1: an offset, with -1 for none. */
export function offsetField<T extends number>(): Field<T> {
  return integer(-1, Number.MAX_SAFE_INTEGER)
}

/** True or false. */
export const bool: Field<boolean> = asIs('boolean', (value) => typeof value === 'boolean')

/** Text of at most `lengthMax` UTF-16 units; what it means is checked where it is used. */
export function text(lengthMax: number): Field<string> {
  return asIs(
    `text of at most ${lengthMax} characters`,
    (value) => typeof value === 'string' && value.length <= lengthMax,
  )
}

/** Text for people, of at most `lengthMax` UTF-16 units. A longer one is cut when it is sent, so that no message is too long to arrive. */
export function message(lengthMax: number): Field<string> {
  return {
    ...text(lengthMax),
    encode: (value) => wellFormed(value.length > lengthMax ? `${value.slice(0, lengthMax - 1)}…` : value),
  }
}

/** The text with U+FFFD in place of lone surrogates, which have no UTF-8. */
function wellFormed(value: string): string {
  return value.replace(/\p{Surrogate}/gu, '\ufffd')
}

/** Bytes, as a view on the frame. */
export const bytes: Field<Uint8Array> = asIs('bytes', (value) => value instanceof Uint8Array)

/** What `field` takes, or nil. */
export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    description: `${field.description}, or nil`,
    encode: (value) => (value === null ? null : field.encode(value)),
    decode: (value, where) => (value === null || value === undefined ? null : field.decode(value, where)),
  }
}

/**
 * What `field` takes, or null, in a field at the end of a packet that was released without it: a peer that does not know it leaves it out, which
 * reads as null, and null is not sent.
 */
export function addedLater<T>(field: Field<T>): Field<T | null | undefined> {
  const { description, encode, decode } = nullable(field)
  return {
    description: `${description}; may be missing`,
    encode: (value) => encode(value ?? null),
    decode,
    isAddedLater: true,
  }
}

/** An array of at most `lengthMax` elements. */
export function list<T>(field: Field<T>, lengthMax: number): Field<T[]> {
  const description = `array of at most ${lengthMax}: ${field.description}`
  return {
    description,
    encode: (values) => values.map((value) => field.encode(value)),
    decode: (values, where) => {
      if (!Array.isArray(values) || values.length > lengthMax) refuse(where, description, values)
      return (values as unknown[]).map((value, i) => field.decode(value, `${where}[${i}]`))
    },
  }
}

/** Half-open ranges as a flat array: from, to, from, to, ...; ascending and not empty. */
export function ranges(pairsMax: number, valueMax: number): Field<number[]> {
  const description = `flat array of at most ${pairsMax} ascending half-open ranges`
  return {
    description,
    encode: (values) => values,
    decode: (values, where) => {
      if (!Array.isArray(values) || values.length === 0 || values.length % 2 !== 0 || values.length > 2 * pairsMax) {
        refuse(where, description, values)
      }
      let last = 0
      for (let i = 0; i < values.length; i += 2) {
        const from: unknown = values[i]
        const to: unknown = values[i + 1]
        const isRange =
          Number.isSafeInteger(from) &&
          Number.isSafeInteger(to) &&
          (from as number) >= last &&
          (to as number) > (from as number)
        if (!isRange || (to as number) > valueMax) {
          refuse(`${where}[${i}]`, `${description} below ${valueMax}`, isRange ? to : from)
        }
        last = to as number
      }
      return values as number[]
    },
  }
}

/** One of `names`, sent as its position. */
export function oneOf<T extends string>(...names: T[]): Field<T> {
  const description = names.map((name, i) => `${i} ${name}`).join(', ')
  return {
    description,
    encode: (name) => names.indexOf(name),
    decode: (value, where) =>
      (typeof value === 'number' ? names[value] : undefined) ?? refuse(where, description, value),
  }
}

/** The number of an error code. An unknown one is read as `UNSPECIFIED`. */
export const errorCode: Field<ErrorCode> = {
  description: 'number of an error code',
  encode: (code) => ERROR_TABLE[code].wire,
  decode: (value, where) =>
    Number.isInteger(value) ? errorCodeFromWire(value as number) : refuse(where, 'number of an error code', value),
}
