import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readWhole, splitLines, until } from '../src/lines.js'

const NO_BOUND = Number.MAX_SAFE_INTEGER

async function* streamOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks
}

async function linesOf(chunks: readonly (Uint8Array | string)[], bytesMax = NO_BOUND): Promise<string[][]> {
  const groups: string[][] = []
  const bytes = chunks.map((chunk) => Buffer.from(chunk as Uint8Array))
  for await (const lines of splitLines(streamOf(bytes), bytesMax))
    groups.push(lines.map((line) => Buffer.from(line).toString('latin1')))
  return groups
}

/** Bytes with many line feeds, and where they are cut. */
const input = fc.record({
  bytes: fc
    .array(fc.oneof(fc.constant(0x0a), fc.constant(0x0d), fc.integer({ min: 0, max: 255 })), { maxLength: 200 })
    .map((bytes) => Uint8Array.from(bytes)),
  cuts: fc.array(fc.nat(200), { maxLength: 20 }),
})

function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.filter((at) => at <= bytes.length).sort((a, b) => a - b), bytes.length]
  return places.slice(1).map((end, i) => bytes.subarray(places[i], end))
}

describe('splitLines', () => {
  test('lines joined with line feeds are the input, however it is cut into chunks', async () => {
    await fc.assert(
      fc.asyncProperty(input, async ({ bytes, cuts }) => {
        const lines = (await linesOf(cut(bytes, cuts))).flat()
        const text = Buffer.from(bytes).toString('latin1')
        expect(lines).toEqual(text === '' ? [] : text.replace(/\n$/, '').split('\n'))
      }),
    )
  })

  test.each([
    ['no input is no line', [], []],
    ['an empty chunk is no line', [''], []],
    ['a line feed alone is an empty line', ['\n'], [['']]],
    ['a last line without line feed is a line', ['a\nb'], [['a'], ['b']]],
    ['a carriage return stays', ['a\r\nb\r\n'], [['a\r', 'b\r']]],
    ['a line over several chunks is one line', ['ab', 'cd', '', 'e\nf\n'], [['abcde', 'f']]],
    ['lines come with the chunk that completes them', ['a\nb\nc', '\n'], [['a', 'b'], ['c']]],
  ])('%s', async (_name, chunks, groups) => {
    expect(await linesOf(chunks)).toEqual(groups)
  })

  test('a line above the bound is refused before it ends, after the lines before it', async () => {
    const groups: number[] = []
    const endless = async function* () {
      yield Buffer.from('ok\n')
      for (;;) yield new Uint8Array(1000)
    }
    const reading = (async () => {
      for await (const lines of splitLines(endless(), 10_000)) groups.push(lines.length)
    })()
    await expect(reading).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
      message: expect.stringContaining('10000'),
    })
    expect(groups).toEqual([1])
  })
})

describe('readWhole', () => {
  test('all bytes of a stream come back as they were', async () => {
    await fc.assert(
      fc.asyncProperty(input, async ({ bytes, cuts }) => {
        expect(Buffer.from(await readWhole(streamOf(cut(bytes, cuts)), NO_BOUND))).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('a stream above the bound is refused before it ends', async () => {
    const endless = async function* () {
      for (;;) yield new Uint8Array(1000)
    }
    await expect(readWhole(endless(), 10_000)).rejects.toMatchObject({ code: 'MESSAGE_TOO_LARGE' })
  })
})

describe('until', () => {
  test('a stream passes through while the end has not come', async () => {
    const seen: number[] = []
    for await (const each of until(
      (async function* () {
        yield* [1, 2, 3]
      })(),
      new Promise(() => {}),
    ))
      seen.push(each)
    expect(seen).toEqual([1, 2, 3])
  })

  test('the end stops a stream that waits for its next chunk', async () => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    const idle = async function* () {
      yield 1
      await new Promise(() => {})
    }
    const seen: number[] = []
    for await (const each of until(idle(), ended)) {
      seen.push(each)
      end()
    }
    expect(seen).toEqual([1])
  })
})
