import { Packr } from 'msgpackr/pack'
import { Unpackr } from 'msgpackr/unpack'
import { plainBytes } from './bytes.js'
import { GomqError } from './errors.js'
import { scanMsgpack } from './msgpack-scan.js'

// The only file that imports msgpackr. Its main entry would load a native add-on if npm installed one; these two do not.
// Its types name Node's Buffer, which pure code does not know.
const packer: { pack(value: unknown): Uint8Array } = new Packr({ useRecords: false, encodeUndefinedAsNil: true })
const unpacker: { unpack(bytes: Uint8Array): unknown } = new Unpackr({
  useRecords: false,
  mapsAsObjects: false,
  int64AsType: 'number',
})

/** Msgpack bytes of nil, booleans, numbers, text, bytes, arrays, maps and plain objects. The bytes are the caller's own. */
export function encodeMsgpack(value: unknown): Uint8Array {
  return plainBytes(packer.pack(value))
}

/**
 * The value of untrusted msgpack `bytes`, checked by {@link scanMsgpack} before anything is built. Maps come as `Map`, so that no key
 * can reach a prototype; binary parts are views on `bytes`; integers beyond 2^53 lose precision.
 *
 * @param elementsMax  of arrays and maps together; 100,000 if left out, which is what a frame may have
 * @throws GomqError MALFORMED_FRAME
 */
export function decodeMsgpack(bytes: Uint8Array, elementsMax?: number): unknown {
  scanMsgpack(bytes, elementsMax)
  try {
    return unpacker.unpack(bytes)
  } catch (cause) {
    throw new GomqError('MALFORMED_FRAME', 'malformed msgpack: it cannot be decoded', { cause })
  }
}
