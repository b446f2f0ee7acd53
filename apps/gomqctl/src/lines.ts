const LINE_FEED = 0x0a

/**
 * Cuts a stream of bytes into lines without their line feed, and into nothing else: carriage returns and invalid UTF-8 stay as they
 * are, an empty line is an empty message, and a last line without line feed is a line. Memory is bounded by the longest line.
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = []
  for await (const chunk of chunks) {
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      parts.push(chunk.subarray(start, end))
      yield joined(parts)
      parts = []
      start = end + 1
    }
    if (start < chunk.byteLength) parts.push(chunk.subarray(start))
  }
  if (parts.length > 0) yield joined(parts)
}

/** All bytes of a stream. */
export async function readWhole(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return joined(parts)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
