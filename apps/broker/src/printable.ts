import { encodeUtf8 } from '@gomq/protocol'

const BYTES_MAX = 256

/**
 * Text from outside, fit for a log line or a terminal: characters that control a terminal, break lines or turn the direction of
 * writing are escaped, and what is beyond 256 bytes is cut.
 */
export function printable(text: string): string {
  let safe = ''
  let bytes = 0
  for (const character of text) {
    const shown = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u.test(character) ? escapeCharacter(character) : character
    bytes += encodeUtf8(shown).byteLength
    if (bytes > BYTES_MAX) return `${safe}…`
    safe += shown
  }
  return safe
}

function escapeCharacter(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`
}
