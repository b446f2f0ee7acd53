import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import type { Offset } from '@gomq/protocol'

/** Turns a value of any source into the one that is meant. @throws RefusedValue */
export type Schema<T> = (value: unknown) => T

/** Why a value is none: words that follow it, as in `tcp = "x" is no address`. */
export class RefusedValue extends Error {}

/** An address to listen on. */
export interface Endpoint {
  /** Name or address, IPv6 without brackets. */
  readonly host: string
  /** 0 to 65,535; 0 takes a free port. */
  readonly port: number
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 }

/** A size: an integer of bytes, or text such as `16MiB`. Decimal units are refused, for nobody agrees on what they mean. */
export function sizeBytes(min: number, max: number): Schema<number> {
  return (value) => {
    const bytes = typeof value === 'number' ? value : parseSize(String(value))
    if (bytes === undefined || !Number.isSafeInteger(bytes)) {
      return refuse("is no size; write an integer with B, KiB, MiB or GiB, as in '16MiB'")
    }
    if (bytes < min || bytes > max) {
      return refuse(`is ${bytes} bytes; write a size from ${formatSize(min)} to ${formatSize(max)}`)
    }
    return bytes
  }
}

/** A size, or `auto`, which is undefined: the broker chooses. */
export function sizeBytesOrAuto(min: number, max: number): Schema<number | undefined> {
  const size = sizeBytes(min, max)
  return (value) => {
    if (value === 'auto') return undefined
    try {
      return size(value)
    } catch (error) {
      if (!(error instanceof RefusedValue)) throw error
      return refuse(`${error.message}, or 'auto'`)
    }
  }
}

/** An integer from `min` to `max`, as a number or as text. */
export function integer(min: number, max: number): Schema<number> {
  return (value) => {
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
    if (typeof number !== 'number' || !Number.isSafeInteger(number) || number < min || number > max) {
      return refuse(`is no integer from ${min} to ${max}`)
    }
    return number
  }
}

/** An operator's word to recover a cluster: an offset, and the epoch of the in-sync set behind `@`. */
export interface RecoverAt {
  readonly end: Offset
  readonly epoch: number | undefined
}

/** Such a word, or nothing. */
export const recoverAtOrNone: Schema<RecoverAt | undefined> = (value) => {
  if (value === '') return undefined
  const match = /^(\d{1,15})(?:@(\d{1,9}))?$/.exec(String(value))
  if (match === null) return refuse("is no offset and epoch; write them as the refusal shows them, as in '51200@7'")
  return { end: Number(match[1]) as Offset, epoch: match[2] === undefined ? undefined : Number(match[2]) }
}

/** True or false, as a boolean or as text: `true`, `1`, `yes`, `false`, `0`, `no`. */
export const boolean: Schema<boolean> = (value) => {
  const text = String(value).toLowerCase()
  if (text === 'true' || text === '1' || text === 'yes') return true
  if (text === 'false' || text === '0' || text === 'no') return false
  return refuse("is neither 'true' nor 'false'")
}

/** Text of 1 to 256 characters without control characters. */
export const name: Schema<string> = (value) => {
  if (typeof value !== 'string' || value.length === 0 || value.length > 256 || /\p{Cc}/u.test(value)) {
    return refuse('is no text of 1 to 256 characters without control characters')
  }
  return value
}

/** A directory's path. */
export const path: Schema<string> = (value) => {
  if (typeof value !== 'string' || value.length === 0 || value.includes('\0')) {
    return refuse('is no path; write the name of a directory')
  }
  return value
}

/** `host:port`, IPv6 addresses in brackets. */
export const endpoint: Schema<Endpoint> = (value) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(typeof value === 'string' ? value : '')
  const host = match?.[1] ?? match?.[2]
  const port = Number(match?.[3])
  if (host === undefined || port > 65_535 || (match?.[1] !== undefined && isIP(host) !== 6)) {
    return refuse("is no address; write host:port, as in '127.0.0.1:9000' or '[::1]:9000'")
  }
  return { host, port }
}

/** An address, or nothing. */
export const endpointOrNone: Schema<Endpoint | undefined> = (value) => (value === '' ? undefined : endpoint(value))

/** Addresses of etcd: http or https URLs with commas between them, or none. */
export const urls: Schema<readonly string[]> = (value) => {
  const entries = (Array.isArray(value) ? value : String(value).split(',')).map((entry) => String(entry).trim())
  const given = entries.filter((entry) => entry !== '')
  if (given.some((entry) => !/^https?:\/\/[^\s/]+\/?$/.test(entry)))
    return refuse("is no list of URLs; write them as in 'http://127.0.0.1:2379,http://127.0.0.1:2479'")
  return given.map((entry) => entry.replace(/\/$/, ''))
}

/** A name that can be a part of a key: 1 to 64 letters, digits, dots, hyphens and underscores. */
export const identifier: Schema<string> = (value) => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(value))
    return refuse('is no name of 1 to 64 letters, digits, dots, hyphens and underscores')
  return value
}

/** A text, or `@` and the file that holds it, whose last line break does not count. */
export const secret: Schema<string> = (value) => {
  const text = String(value)
  if (!text.startsWith('@')) return text
  try {
    return readFileSync(text.slice(1), 'utf8').replace(/\r?\n$/, '')
  } catch (cause) {
    return refuse(`cannot be read (${(cause as Error).message}); name a file that exists`)
  }
}

/** An address, or `off`. */
export const endpointOrOff: Schema<Endpoint | undefined> = (value) => {
  if (value === 'off') return undefined
  try {
    return endpoint(value)
  } catch (error) {
    if (!(error instanceof RefusedValue)) throw error
    return refuse(`${error.message}, or 'off'`)
  }
}

/** Host names: an array, or text with commas. */
export const hostNames: Schema<readonly string[]> = (value) => {
  const names = Array.isArray(value) ? (value as unknown[]) : String(value).split(',')
  const cleaned = names.map((entry) => String(entry).trim().toLowerCase()).filter((entry) => entry !== '')
  if (cleaned.some((entry) => !/^[a-z0-9._-]{1,253}$/.test(entry))) {
    return refuse("is no list of host names; write names without ports, as in 'gomq,broker.example'")
  }
  return cleaned
}

/** One of `names`. */
export function oneOf<T extends string>(...names: T[]): Schema<T> {
  return (value) => {
    const known = names.find((candidate) => candidate === value)
    return known ?? refuse(`is none of ${names.join(', ')}`)
  }
}

/** `4194304` as `4MiB`: the greatest unit that leaves an integer. */
export function formatSize(bytes: number): string {
  for (const [unit, factor] of [['GiB', 1024 ** 3] as const, ['MiB', 1024 ** 2] as const, ['KiB', 1024] as const]) {
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return `${bytes}B`
}

/** `host:port` as it is written in a URL. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
}

/** Bytes of a size such as `16MiB`; undefined if it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^\s*(\d{1,15})\s*([a-zA-Z]*)\s*$/.exec(text)
  const factor = UNITS[(match?.[2] ?? '?').toLowerCase()]
  return factor === undefined ? undefined : Number(match?.[1]) * factor
}

function refuse(message: string): never {
  throw new RefusedValue(message)
}
