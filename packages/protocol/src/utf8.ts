// Every JavaScript runtime has these two; declaring them here keeps the DOM's and Node's globals out of pure code.
declare class TextEncoder {
  encode(text: string): Uint8Array
  encodeInto(text: string, target: Uint8Array): { read: number; written: number }
}
declare class TextDecoder {
  constructor(label: string, options: { fatal: boolean; ignoreBOM: boolean })
  decode(bytes: Uint8Array): string
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Longest text in UTF-16 units for which a loop that writes it beats the call into the runtime. */
const WRITE_LOOP_MAX = 48

/** The same for reading: putting a text together from pieces is slow, and slower still to use as a name afterwards. */
const READ_LOOP_MAX = 4

/** UTF-8 bytes of `text`; lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * Text of UTF-8 `bytes`; a byte order mark stays part of it.
 * @throws TypeError  if the bytes are not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (bytes.byteLength <= READ_LOOP_MAX) {
    let text = ''
    for (let i = 0; i < bytes.byteLength; i++) {
      const byte = bytes[i]!
      if (byte > 0x7f) return decoder.decode(bytes)
      text += String.fromCharCode(byte)
    }
    return text
  }
  return decoder.decode(bytes)
}

/** Writes `text` as UTF-8 at `at` and returns the number of bytes; the target must have room for 3 bytes a UTF-16 unit. */
export function writeUtf8(target: Uint8Array, at: number, text: string): number {
  if (text.length <= WRITE_LOOP_MAX) {
    let i = 0
    for (; i < text.length; i++) {
      const unit = text.charCodeAt(i)
      if (unit > 0x7f) break
      target[at + i] = unit
    }
    if (i === text.length) return i
  }
  return encoder.encodeInto(text, target.subarray(at)).written
}

/** Bytes of `text` in UTF-8, without encoding it. */
export function utf8Bytes(text: string): number {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    if (unit < 0x800) bytes += 1
    else {
      bytes += 2
      const isPair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00
      if (isPair) i++
    }
  }
  return bytes
}

/**
 * Whether the bytes from `start` to `end` are well-formed UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF [MQTT-1.5.4-1]. Allocates nothing.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const lead = bytes[at++]!
    if (lead < 0x80) continue
    const rest = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1
    if (lead < 0xc2 || lead > 0xf4 || at + rest > end) return false
    const second = bytes[at]!
    // The second byte alone tells overlong forms (E0, F0), surrogates (ED) and what lies above U+10FFFF (F4).
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
    if (second < low || second > high) return false
    for (let i = 1; i < rest; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return false
    at += rest
  }
  return true
}
