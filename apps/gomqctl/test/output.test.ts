import { PassThrough, Writable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { Output, onWriteFailure } from '../src/output.js'

/** A stream that remembers each write, and takes the next one only when it is told to. */
class SlowStream extends Writable {
  readonly writes: string[] = []
  #done: ((error?: Error | null) => void) | undefined

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    this.writes.push(Buffer.from(chunk).toString())
    this.#done = done
  }

  finishWrite(error?: Error): void {
    this.#done?.(error)
  }
}

const bytes = (text: string) => Buffer.from(text)

describe('Output', () => {
  test('what comes in one turn of the event loop goes out as one write, in order', async () => {
    const stream = new SlowStream()
    const output = new Output(stream)
    for (const text of ['a', 'b', 'c']) void output.write(bytes(text))
    expect(stream.writes).toEqual([])
    await turn()
    expect(stream.writes).toEqual(['abc'])
  })

  test('a piece counts as written when the stream has taken it, not before', async () => {
    const stream = new SlowStream()
    const output = new Output(stream)
    const written: string[] = []
    void output.write(bytes('a'), () => written.push('a'))
    void output.write(bytes('b'), () => written.push('b'))
    await turn()
    expect(written).toEqual([])
    stream.finishWrite()
    await output.flush()
    expect(written).toEqual(['a', 'b'])
  })

  test('flush resolves when all that was given is written', async () => {
    const stream = new PassThrough()
    const output = new Output(stream)
    let written = 0
    for (let i = 0; i < 10; i++) void output.write(bytes('x'), () => written++)
    await output.flush()
    expect(written).toBe(10)
    await output.flush()
    expect(String(stream.read())).toBe('x'.repeat(10))
  })

  test('who writes faster than the reader reads waits', async () => {
    const stream = new SlowStream()
    const output = new Output(stream)
    const room = output.write(new Uint8Array(64 * 1024))
    expect(room).toBeInstanceOf(Promise)
    let hasRoom = false
    void (room as Promise<void>).then(() => (hasRoom = true))
    await turn()
    expect(hasRoom).toBe(false)
    stream.finishWrite()
    await room
    expect(hasRoom).toBe(true)
  })

  test('waiting for a slow reader leaves no listeners behind', async () => {
    const stream = new PassThrough()
    const output = new Output(stream)
    const before = stream.listenerCount('drain') + stream.listenerCount('close') + stream.listenerCount('error')
    for (let i = 0; i < 50; i++) {
      const room = output.write(new Uint8Array(64 * 1024))
      stream.read()
      await room
    }
    expect(stream.listenerCount('drain') + stream.listenerCount('close') + stream.listenerCount('error')).toBe(before)
  })

  test('a reader that has gone is reported once; what follows is dropped and never counts as written', async () => {
    const stream = new SlowStream()
    let broken = 0
    const output = new Output(stream, () => broken++)
    let written = 0
    void output.write(bytes('a'), () => written++)
    const flushed = output.flush()
    stream.finishWrite(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }))
    await flushed
    await turn()
    await output.write(bytes('b'), () => written++)
    await output.flush()
    expect({ broken, written, writes: stream.writes }).toEqual({ broken: 1, written: 0, writes: ['a'] })
  })
})

describe('onWriteFailure', () => {
  test.each([
    ['EPIPE', 0],
    ['ENOSPC', 1],
    ['EIO', 1],
  ])('%s is told %i times', (code, times) => {
    const stream = new PassThrough()
    const failures: Error[] = []
    onWriteFailure(stream, (error) => failures.push(error))
    for (let i = 0; i < 3; i++) stream.emit('error', Object.assign(new Error(code), { code }))
    expect(failures).toHaveLength(times)
  })
})
