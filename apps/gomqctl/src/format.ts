import type { Message } from '@gomq/client'

/** How messages are printed. */
export type Format = 'text' | 'raw' | 'json'

const LINE_FEED = new Uint8Array([0x0a])
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The bytes to print for a message. `text` is byte for byte what was published, and a line feed. */
export function formatMessage(message: Message, format: Format): Uint8Array {
  if (format === 'raw') return message.bytes
  if (format === 'text') return Buffer.concat([message.bytes, LINE_FEED])
  return Buffer.from(`${JSON.stringify(toJson(message))}\n`)
}

/** A message for machines: `value` where the bytes are UTF-8, else `valueBase64`. */
export function toJson(message: Message): Record<string, unknown> {
  return {
    topic: message.topic,
    offset: message.offset,
    timestamp: new Date(message.timestamp).toISOString(),
    ...(message.key !== null && { key: asText(message.key) }),
    ...textOrBase64(message.bytes),
    ...(message.headers !== null && Object.keys(message.headers).length > 0 && { headers: headersToJson(message) }),
  }
}

/** A message as one line of fields for a person: control characters escaped, at most `width` characters of the value. */
export function toRow(
  message: Message,
  width: number,
): [offset: string, time: string, topic: string, key: string, value: string] {
  const key = message.key === null ? '' : asText(message.key)
  return [
    String(message.offset),
    new Date(message.timestamp).toISOString(),
    printable(message.topic),
    printable(key),
    shorten(printable(asText(message.bytes)), width),
  ]
}

function headersToJson(message: Message): Record<string, string> {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>
  for (const [name, value] of Object.entries(message.headers ?? {})) headers[name] = asText(value)
  return headers
}

function textOrBase64(bytes: Uint8Array): { value: string } | { valueBase64: string } {
  const text = decoded(bytes)
  return text === undefined ? { valueBase64: Buffer.from(bytes).toString('base64') } : { value: text }
}

function asText(value: string | Uint8Array): string {
  if (typeof value === 'string') return value
  return decoded(value) ?? `base64:${Buffer.from(value).toString('base64')}`
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Text without characters that would move the cursor or hide what follows. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) =>
    JSON.stringify(character)
      .slice(1, -1)
      .replace(/^(?=[^\\])/u, '\\u'),
  )
}

function shorten(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text
}
