import { crc32 } from '@gomq/protocol/node'
import type { SegmentIndex } from '../../src/format/segment-index.js'

/** The index file of a segment. */
export function indexFileOf(index: SegmentIndex): Buffer {
  const { bodyPosition, body, headFor } = index.encode(crc32)
  const bytes = Buffer.concat([...body])
  const head = headFor(crc32(bytes))
  if (head.byteLength !== bodyPosition) throw new Error('the body does not begin behind the head')
  return Buffer.concat([head, bytes])
}
