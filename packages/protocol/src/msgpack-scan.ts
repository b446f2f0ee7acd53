import { GomqError } from './errors.js'
import { MSGPACK_DEPTH_MAX, MSGPACK_ELEMENTS_MAX } from './limits.js'
import { isUtf8 } from './utf8.js'

/** Children that are still to come on each level. Reused: a scan calls nobody, so no two run at once. */
const remaining = new Uint32Array(MSGPACK_DEPTH_MAX + 1)

/**
 * Checks that `bytes` are exactly one msgpack value that is safe to decode: every length is backed by bytes that are there, nesting
 * is at most 8, elements at most `elementsMax`, text is well-formed UTF-8, and there are no extension types (decoders run code for some of
 * them). Allocates nothing; binary parts are skipped, not read.
 *
 * @throws GomqError MALFORMED_FRAME
 */
export function scanMsgpack(bytes: Uint8Array, elementsMax: number = MSGPACK_ELEMENTS_MAX): void {
  const end = bytes.byteLength
  let depth = 0
  let elements = 0
  let at = 0
  remaining[0] = 1
  for (;;) {
    while (remaining[depth] === 0) {
      if (depth === 0) {
        if (at !== end) malformed(`${end - at} bytes follow the value`)
        return
      }
      depth--
    }
    remaining[depth]!--
    if (at >= end) malformed('it ends too early')
    const tag = bytes[at++]!
    let children = -1
    let textBytes = 0
    if (tag < 0x80 || tag >= 0xe0) continue
    if (tag < 0x90) children = (tag & 0x0f) * 2
    else if (tag < 0xa0) children = tag & 0x0f
    else if (tag < 0xc0) textBytes = tag & 0x1f
    else {
      switch (tag) {
        case 0xc0:
        case 0xc2:
        case 0xc3:
          break
        case 0xc4:
          at += 1 + uint(bytes, at, 1)
          break
        case 0xc5:
          at += 2 + uint(bytes, at, 2)
          break
        case 0xc6:
          at += 4 + uint(bytes, at, 4)
          break
        case 0xd9:
          textBytes = uint(bytes, at, 1)
          at += 1
          break
        case 0xda:
          textBytes = uint(bytes, at, 2)
          at += 2
          break
        case 0xdb:
          textBytes = uint(bytes, at, 4)
          at += 4
          break
        case 0xcc:
        case 0xd0:
          at += 1
          break
        case 0xcd:
        case 0xd1:
          at += 2
          break
        case 0xca:
        case 0xce:
        case 0xd2:
          at += 4
          break
        case 0xcb:
        case 0xcf:
        case 0xd3:
          at += 8
          break
        case 0xdc:
          children = uint(bytes, at, 2)
          at += 2
          break
        case 0xdd:
          children = uint(bytes, at, 4)
          at += 4
          break
        case 0xde:
          children = uint(bytes, at, 2) * 2
          at += 2
          break
        case 0xdf:
          children = uint(bytes, at, 4) * 2
          at += 4
          break
        default:
          malformed(`tag 0x${tag.toString(16)} is an extension or reserved`)
      }
    }
    if (at + textBytes > end) malformed(`a length points ${at + textBytes - end} bytes past its end`)
    if (textBytes > 0) {
      if (!isUtf8(bytes, at, at + textBytes)) malformed('a text is not well-formed UTF-8')
      at += textBytes
    }
    if (children < 0) continue
    if (children > end - at) malformed(`an array or map announces ${children} elements and ${end - at} bytes are left`)
    elements += children
    if (elements > elementsMax) malformed(`it has more than ${elementsMax} elements`)
    if (depth === MSGPACK_DEPTH_MAX) malformed(`it is nested deeper than ${MSGPACK_DEPTH_MAX}`)
    remaining[++depth] = children
  }
}

function uint(bytes: Uint8Array, at: number, size: number): number {
  if (at + size > bytes.byteLength) malformed('it ends inside a length')
  let value = 0
  for (let i = 0; i < size; i++) value = value * 0x100 + bytes[at + i]!
  return value
}

function malformed(what: string): never {
  throw new GomqError('MALFORMED_FRAME', `malformed msgpack: ${what}`)
}
