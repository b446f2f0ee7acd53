import { GomqError } from '@gomq/client'

const LINE_FEED = 0x0a

/**
 * Cuts a stream of bytes into lines without their line feed, and into nothing else: carriage returns and invalid UTF-8 stay as they
 * are, an empty line is an empty message, and a last line without line feed is a line. Yields the lines that each chunk completes.
 *
 * @param bytesMax  of one line; bounds the memory
 * @throws GomqError MESSAGE_TOO_LARGE  a line is longer; the lines before it were yielded
 */
export async function* splitLines(chunks: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array[]> {
  let parts: Uint8Array[] = []
  let partBytes = 0
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = []
    let start = 0
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, start)) {
      parts.push(chunk.subarray(start, end))
      lines.push(joined(parts))
      parts = []
      partBytes = 0
      start = end + 1
    }
    if (lines.length > 0) yield lines
    if (start < chunk.byteLength) {
      parts.push(chunk.subarray(start))
      partBytes += chunk.byteLength - start
      if (partBytes > bytesMax) throw tooLarge('a line', bytesMax)
    }
  }
  if (parts.length > 0) yield [joined(parts)]
}

/** All bytes of a stream. @throws GomqError MESSAGE_TOO_LARGE  more than `bytesMax` */
export async function readWhole(chunks: AsyncIterable<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    parts.push(chunk)
    bytes += chunk.byteLength
    if (bytes > bytesMax) throw tooLarge('standard input', bytesMax)
  }
  return joined(parts)
}

/** The same stream, which ends as soon as `end` resolves, also while it waits for a chunk. */
export async function* until<T>(chunks: AsyncIterable<T>, end: Promise<unknown>): AsyncGenerator<T> {
  const iterator = chunks[Symbol.asyncIterator]()
  const ended = end.then(() => ({ done: true, value: undefined }) as const)
  for (;;) {
    const result = await Promise.race([iterator.next(), ended])
    if (result.done === true) return
    yield result.value
  }
}

function tooLarge(what: string, bytesMax: number): GomqError {
  const message = `${what} has more than ${bytesMax} bytes, the most that any broker takes as one message; publish it in parts`
  return new GomqError('MESSAGE_TOO_LARGE', message)
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
