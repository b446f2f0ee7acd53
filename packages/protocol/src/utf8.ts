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

/** Longest text for which a loop over its characters beats the call into the runtime. */
const SHORT = 48

/** UTF-8 bytes of `text`; lone surrogates become U+FFFD. */
export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/**
 * Text of UTF-8 `bytes`; a byte order mark stays part of it.
 * @throws TypeError  if the bytes are not UTF-8
 */
export function decodeUtf8(bytes: Uint8Array): string {
  if (bytes.byteLength <= SHORT) {
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
  if (text.length <= SHORT) {
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
