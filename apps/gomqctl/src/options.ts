import { type Compression, GomqError, type SubscribeFrom } from '@gomq/client'
import { validateTopicFilter, validateTopicName } from '@gomq/protocol'
import { InvalidArgumentError } from 'commander'

/** Who connects and what the broker keeps of it. Every command takes them. */
export interface ConnectionFlags {
  readonly clientId?: string
  readonly username?: string
  readonly password?: string
  /** File that holds the password. */
  readonly passwordFile?: string
  /** Seconds between signs of life. */
  readonly keepAlive?: number
  /** True: the broker forgets the client's session; false: it keeps every subscription. */
  readonly cleanSession?: boolean
  /** Seconds that the session outlives the connection. */
  readonly sessionExpiry?: number
  /** How what is published is compressed. */
  readonly compression?: Compression
  readonly willTopic?: string
  readonly willMessage?: string
  readonly willQos?: 0 | 1 | 2
  readonly willRetain?: boolean
}

/** Options of every command. */
export interface GlobalOptions extends ConnectionFlags {
  /** Addresses of brokers as URLs, tried in turn; at least one. */
  readonly connect: readonly string[]
  /** Where the broker's HTTP is, as URL without path. */
  readonly http: string
  readonly topic: readonly string[]
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  readonly json: boolean
  readonly quiet: boolean
}

/** Where a broker listens unless `--connect` says otherwise. */
export const DEFAULT_ADDRESS = '127.0.0.1:9000'

const ADDRESS = /^(?:(gomqs?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/@[\]]+)(?::(\d{1,5}))?\/?$/

/** Addresses with commas between them, each `host`, `host:port` or a URL `gomq://` or `gomqs://`, as URLs. */
export function parseAddresses(text: string): readonly string[] {
  return text.split(',').map((each) => {
    const address = each.trim()
    const match = ADDRESS.exec(address)
    const port = match?.[3] === undefined ? 9000 : Number(match[3])
    if (match === null || port < 1 || port > 65_535 || /^\d+$/.test(address))
      throw new InvalidArgumentError(
        `${address === '' ? 'It is empty' : `'${address}' is no address`}; use host:port, such as ${DEFAULT_ADDRESS}, with commas between several.`,
      )
    return `${match[1] ?? 'gomq'}://${match[2]}:${port}`
  })
}

/** Where a broker answers HTTP unless `--http` says otherwise. */
export const DEFAULT_HTTP_ADDRESS = '127.0.0.1:8000'

const HTTP_ADDRESS = /^(?:(https?):\/\/)?(\[[0-9a-fA-F:.]+\]|[^\s:/@?#[\]]+)(?::(\d{1,5}))?\/?$/

/** `host`, `host:port` or a URL `http://` or `https://` without path, as URL. */
export function parseHttpAddress(text: string): string {
  const match = HTTP_ADDRESS.exec(text)
  const scheme = match?.[1] ?? 'http'
  const port = match?.[3] === undefined ? (scheme === 'https' ? 443 : 8000) : Number(match[3])
  const url = `${scheme}://${match?.[2]}:${port}`
  if (match === null || port < 1 || port > 65_535 || /^\d+$/.test(text) || !URL.canParse(url))
    throw new InvalidArgumentError(`Use host:port, such as ${DEFAULT_HTTP_ADDRESS}.`)
  return url
}

/** An address as people write it. */
export function withoutScheme(url: string): string {
  return url.replace(/^gomq:\/\//, '')
}

/** The one topic name of a command that takes exactly one. @throws GomqError INVALID_ARGUMENT */
export function oneTopic(options: Pick<GlobalOptions, 'topic'>, command: string = 'pub'): string {
  const [topic, ...more] = options.topic
  if (topic === undefined)
    throw new GomqError('INVALID_ARGUMENT', 'no topic is given; name one with --topic or GOMQ_TOPIC')
  if (more.length > 0)
    throw new GomqError(
      'INVALID_ARGUMENT',
      `${command} takes one topic and ${more.length + 1} are given; publish to each by itself`,
    )
  const complaint = complaintOf(validateTopicName, topic)
  if (complaint !== undefined) throw new GomqError('INVALID_ARGUMENT', complaint)
  return topic
}

/** Adds a topic filter to those so far. A topic name is one; whether a command needs a name is its own question. */
export function parseTopicFilter(text: string, previous: readonly string[] = []): string[] {
  const complaint = complaintOf(validateTopicFilter, text)
  if (complaint !== undefined) throw new InvalidArgumentError(complaint)
  return [...previous, text]
}

/** A topic name. */
export function parseTopicName(text: string): string {
  const complaint = complaintOf(validateTopicName, text)
  if (complaint !== undefined) throw new InvalidArgumentError(complaint)
  return text
}

/** What the protocol's check has against a topic; undefined if it is one. */
function complaintOf(check: (topic: string) => void, topic: string): string | undefined {
  try {
    check(topic)
    return undefined
  } catch (error) {
    if (error instanceof GomqError) return error.message
    throw error
  }
}

/** QoS as it is written: 0, 1 or 2. */
export function parseQos(text: string): 0 | 1 | 2 {
  if (text === '0') return 0
  if (text === '1') return 1
  if (text === '2') return 2
  throw new InvalidArgumentError('Use 0, 1 or 2.')
}

/** A switch as it is written: 0, 1, true, false. */
export function parseFlag(text: string): boolean {
  if (text === '1' || text === 'true') return true
  if (text === '0' || text === 'false') return false
  throw new InvalidArgumentError('Use 0 or 1.')
}

/** A positive whole number. */
export function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Use a whole number from 1.')
}

/** Seconds between signs of life, 0 (none) to 65,535. */
export function parseKeepAlive(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 65_535) return Number(text)
  throw new InvalidArgumentError('Use seconds, 0 to 65535.')
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, '': 1000 }

/** The longest time that a timer of Node holds; a longer one would fire at once. */
const TIMER_MS_MAX = 0x7fff_ffff

/** A time to wait, such as `500ms`, `10s`, `2m` or `1h`, up to 596 hours; a bare number is seconds. */
export function parseDurationMs(text: string): number {
  const timeMs = durationMs(text, /^(\d+(?:\.\d+)?)(ms|s|m|h|)$/, '500ms, 10s, 2m or 1h')
  if (timeMs > TIMER_MS_MAX) throw new InvalidArgumentError('Use at most 596h.')
  return timeMs
}

/** Seconds that a session is kept, such as `0`, `3600`, `12h` or `7d`, up to 4,294,967,295. */
export function parseSessionExpiry(text: string): number {
  const seconds = longMs(text) / 1000
  if (seconds > 0xffff_ffff) throw new InvalidArgumentError('Use at most 49710d.')
  if (!Number.isInteger(seconds)) throw new InvalidArgumentError('Use whole seconds.')
  return seconds
}

/** The longest time to live: a hundred years. */
const TTL_MS_MAX: number = 36_500 * 86_400_000

/** Milliseconds that a message lives, from 1: `500ms`, `10s`, `12h`, `7d`, up to 36,500 days; a bare number is seconds. */
export function parseTtlMs(text: string): number {
  const timeMs = longMs(text)
  if (timeMs > TTL_MS_MAX) throw new InvalidArgumentError('Use at most 36500d.')
  if (!Number.isInteger(timeMs) || timeMs === 0)
    throw new InvalidArgumentError('Use whole milliseconds, at least 1ms; without --ttl a message does not end.')
  return timeMs
}

/** Milliseconds that messages are kept, from 1: `12h`, `7d`, up to 36,500 days; a bare number is seconds. */
export function parseAgeMs(text: string): number {
  const timeMs = longMs(text)
  if (timeMs > TTL_MS_MAX) throw new InvalidArgumentError('Use at most 36500d.')
  if (!Number.isInteger(timeMs) || timeMs === 0) throw new InvalidArgumentError('Use whole milliseconds, at least 1ms.')
  return timeMs
}

/** Milliseconds that tombstones are kept, from 0: `0`, `12h`, `7d`, up to 36,500 days; a bare number is seconds. */
export function parseTombstoneMs(text: string): number {
  return /^0+$/.test(text) ? 0 : parseAgeMs(text)
}

const UNIT_BYTES: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** A size from 1 byte: `500MiB`, `1GiB`; a bare number is bytes. Decimal units are refused, for nobody agrees on what they mean. */
export function parseSizeBytes(text: string): number {
  const match = /^(\d{1,15})(B|KiB|MiB|GiB|TiB|)$/.exec(text)
  const bytes = match === null ? 0 : Number(match[1]) * UNIT_BYTES[match[2]!]!
  if (bytes < 1 || !Number.isSafeInteger(bytes))
    throw new InvalidArgumentError('Use a size with a unit: 500MiB or 1GiB.')
  return bytes
}

/** One topic filter. */
export function parseFilter(text: string): string {
  return parseTopicFilter(text)[0]!
}

/** A span that nobody waits for here, so that no timer bounds it: days, too. */
function longMs(text: string): number {
  return durationMs(text, /^(\d+(?:\.\d+)?)(ms|s|m|h|d|)$/, '500ms, 10s, 2m, 1h or 7d')
}

function durationMs(text: string, pattern: RegExp, examples: string): number {
  const match = pattern.exec(text)
  if (match === null) throw new InvalidArgumentError(`Use a number with a unit: ${examples}.`)
  return Number(match[1]) * UNIT_MS[match[2]!]!
}

/** Dates of ISO 8601; `Date.parse` alone would make a time of nearly anything. */
const TIME = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/** Where a subscription starts: `new`, `earliest`, an offset or a time. */
export function parseFrom(text: string): SubscribeFrom {
  if (text === 'new' || text === 'earliest') return text
  if (/^\d{1,15}$/.test(text)) return { offset: Number(text) }
  const timeMs = TIME.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(timeMs) || timeMs < 0) {
    throw new InvalidArgumentError(
      "Use 'new', 'earliest', an offset such as 42, or a time such as 2026-01-31T12:00:00Z.",
    )
  }
  return { time: timeMs }
}

/** An offset of the log: a whole number from 0. */
export function parseOffset(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('Use an offset, a whole number from 0.')
}

/** Adds `name=value` to the headers so far. */
export function parseHeader(
  text: string,
  headers: Record<string, string> = Object.create(null) as Record<string, string>,
): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('Use name=value.')
  headers[text.slice(0, at)] = text.slice(at + 1)
  return headers
}
