import { GomqError, type Message } from '@gomq/client'

/** How messages are printed. */
export type Format = 'text' | 'raw' | 'json' | 'screen'

/** What is printed of a message: one that was delivered, or one from the files of a log. */
export type PrintableMessage = Pick<Message, 'topic' | 'offset' | 'timestamp' | 'key' | 'value' | 'bytes' | 'headers'>

const LINE_FEED = new Uint8Array([0x0a])
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * The bytes to print for a message. `text` is byte for byte what was published, and a line feed; `raw` is only that; `screen` is for a
 * person: nothing in it moves the cursor, and with `withTopic` the topic stands before the value.
 */
export function formatMessage(message: PrintableMessage, format: Format, withTopic = false): Uint8Array {
  if (format === 'raw') return message.bytes
  if (format === 'text') return Buffer.concat([message.bytes, LINE_FEED])
  if (format === 'json') return Buffer.from(`${JSON.stringify(toJson(message))}\n`)
  const topic = withTopic ? `${printable(message.topic)}  ` : ''
  return Buffer.from(`${topic}${printableLines(valueText(message))}\n`)
}

/** A message for machines: `value` where it is text or plain data, else `valueBase64`. */
export function toJson(message: PrintableMessage): Record<string, unknown> {
  const value = contentOf(message)
  return {
    topic: message.topic,
    offset: message.offset,
    timestamp: new Date(message.timestamp).toISOString(),
    ...(message.key !== null && { key: asText(message.key) }),
    ...(value instanceof Uint8Array ? { valueBase64: base64(value) } : { value: plain(value) }),
    ...(message.headers !== null && Object.keys(message.headers).length > 0 && { headers: headersToJson(message) }),
  }
}

/** A message as one line of fields for a person: control characters escaped, at most `width` characters of the value. */
export function toRow(
  message: PrintableMessage,
  width: number,
): [offset: string, time: string, topic: string, key: string, value: string] {
  return [
    String(message.offset),
    new Date(message.timestamp).toISOString(),
    printable(message.topic),
    message.key === null ? '' : printable(asText(message.key)),
    shorten(printable(valueText(message)), width),
  ]
}

/** Text, bytes that are no text, or plain data that was published as such. */
function contentOf(message: PrintableMessage): unknown {
  let value: unknown
  try {
    value = message.value
  } catch (error) {
    if (!(error instanceof GomqError)) throw error
    value = message.bytes
  }
  return value instanceof Uint8Array ? (decoded(value) ?? value) : value
}

function valueText(message: PrintableMessage): string {
  const value = contentOf(message)
  if (typeof value === 'string') return value
  return value instanceof Uint8Array ? `base64:${base64(value)}` : JSON.stringify(plain(value))
}

/** Plain data with what JSON has no word for as text: bytes as base64, big integers as digits. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return base64(value)
  if (typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return value.map(plain)
  if (value instanceof Map) return plain(Object.fromEntries(value))
  if (typeof value !== 'object' || value === null) return value
  const object: Record<string, unknown> = Object.create(null) as Record<string, unknown>
  for (const [name, each] of Object.entries(value)) object[name] = plain(each)
  return object
}

function headersToJson(message: PrintableMessage): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(message.headers ?? {})) headers[name] = asText(value)
  return headers
}

function asText(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : (decoded(value) ?? `base64:${base64(value)}`)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
/** Control characters, and those that reorder or break the line that they stand in. */
const UNPRINTABLE = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu
const UNPRINTABLE_IN_LINES = /(?![\n\t])[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu

/** Text in one line, without characters that would move the cursor or hide what follows. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, escaped)
}

/** The same, with its lines left as they are. */
function printableLines(text: string): string {
  return text.replace(UNPRINTABLE_IN_LINES, escaped)
}

function escaped(character: string): string {
  return ESCAPES[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function shorten(text: string, width: number): string {
  if (text.length <= width) return text
  const end = width - 1
  const isInsidePair = (text.charCodeAt(end - 1) & 0xfc00) === 0xd800
  return `${text.slice(0, isInsidePair ? end - 1 : end)}…`
}
