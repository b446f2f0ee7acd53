import { encodeMsgpack, GomqError, MSGPACK_DEPTH_MAX, scanMsgpack } from '@gomq/protocol'

/**
 * A value of JSON in msgpack, as native clients pack theirs. Objects become maps first, so that no name in them (`constructor`,
 * `toJSON`, `__proto__`) means anything to the packer.
 *
 * @throws GomqError INVALID_ARGUMENT  for what a reader would refuse: deep nesting, too many elements, lone surrogates, numbers beyond
 *   the range of a double
 */
export function packJson(value: unknown): Uint8Array {
  const packed = encodeMsgpack(toMaps(value, 0))
  try {
    scanMsgpack(packed)
  } catch (cause) {
    throw new GomqError('INVALID_ARGUMENT', `body cannot be stored as a value: ${(cause as Error).message}`, { cause })
  }
  return packed
}

function toMaps(value: unknown, depth: number): unknown {
  if (typeof value === 'string' && /\p{Surrogate}/u.test(value))
    throw new GomqError('INVALID_ARGUMENT', 'body holds a lone surrogate; it is no valid Unicode')
  if (typeof value === 'number' && !Number.isFinite(value))
    throw new GomqError('INVALID_ARGUMENT', 'body holds a number that is too large for a double; send it as text')
  if (typeof value !== 'object' || value === null) return value
  if (depth === MSGPACK_DEPTH_MAX)
    throw new GomqError('INVALID_ARGUMENT', `body is nested deeper than ${MSGPACK_DEPTH_MAX}; send it as text`)
  if (Array.isArray(value)) return value.map((entry) => toMaps(entry, depth + 1))
  return new Map(Object.entries(value).map(([name, entry]) => [toMaps(name, depth), toMaps(entry, depth + 1)]))
}
