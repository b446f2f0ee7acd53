import { EventEmitter } from 'node:events'
import { GomqError } from '@gomq/client'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BenchProducer } from '../../src/bench/bench-producer.js'
import { Load, RefusedOutOfTurn } from '../../src/bench/load.js'

/** A producer that publishes at given times, and settles when it is told to. */
class FakeProducer {
  failure: GomqError | undefined
  unacked = 0
  isStopped = false
  readonly calls: number[] = []
  readonly #timesMs: number[]
  #onReleased = () => {}

  constructor(timesMs: readonly number[]) {
    this.#timesMs = [...timesMs]
  }

  get isDone(): boolean {
    return this.isStopped || this.#timesMs.length === 0
  }

  onReleased(listener: () => void): void {
    this.#onReleased = listener
  }

  stop(): void {
    this.isStopped = true
  }

  publishDue(nowMs: number): number {
    this.calls.push(nowMs)
    while (!this.isDone && this.#timesMs[0]! <= nowMs) {
      this.#timesMs.shift()
      this.unacked++
    }
    return this.isDone ? Number.POSITIVE_INFINITY : this.#timesMs[0]!
  }

  settle(): void {
    this.unacked = 0
    this.#onReleased()
  }
}

const loadOf = (producers: readonly FakeProducer[], isPrecise = false) => {
  const load = new Load(producers as unknown as BenchProducer[], () => Date.now(), isPrecise)
  let isFinished = false
  void load.finished.then(() => (isFinished = true))
  return { load, isFinished: () => isFinished }
}

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

test('a load wakes when the next message of any producer is due, and not in between', async () => {
  const producers = [new FakeProducer([0, 100]), new FakeProducer([50])]
  const { load, isFinished } = loadOf(producers)
  load.start()
  await vi.advanceTimersByTimeAsync(200)
  expect(producers[0]!.calls).toEqual([0, 50, 100])
  expect(isFinished()).toBe(false)
  for (const each of producers) each.settle()
  await vi.advanceTimersByTimeAsync(1)
  expect(isFinished()).toBe(true)
})

test('a precise load watches the clock from shortly before a message is due', async () => {
  const producer = new FakeProducer([100])
  const { load } = loadOf([producer], true)
  load.start()
  await vi.advanceTimersByTimeAsync(97)
  expect(producer.calls).toEqual([0])
  await vi.advanceTimersByTimeAsync(1)
  expect(producer.calls.at(-1)).toBe(98)
})

test('a load that is stopped ends when what was published has settled', async () => {
  const producer = new FakeProducer([0, 1000])
  const { load, isFinished } = loadOf([producer])
  load.start()
  await vi.advanceTimersByTimeAsync(10)
  load.stop()
  await vi.advanceTimersByTimeAsync(10)
  expect(isFinished()).toBe(false)
  producer.settle()
  await vi.advanceTimersByTimeAsync(10)
  expect(isFinished()).toBe(true)
})

test('the failure of one producer stops all', async () => {
  const producers = [new FakeProducer([0, 1000]), new FakeProducer([0, 1000])]
  const { load } = loadOf(producers)
  load.start()
  await vi.advanceTimersByTimeAsync(10)
  producers[0]!.failure = new GomqError('TIMEOUT', 'late')
  producers[0]!.settle()
  await vi.advanceTimersByTimeAsync(10)
  expect(producers.map(({ isStopped }) => isStopped)).toEqual([true, true])
})

test('a publish that is refused out of turn does not end the process, anything else does', () => {
  const fake = new EventEmitter()
  {
    using _ = new RefusedOutOfTurn(fake as unknown as NodeJS.Process)
    expect(() => fake.emit('unhandledRejection', new GomqError('TIMEOUT', 'late'))).not.toThrow()
    expect(() => fake.emit('unhandledRejection', new TypeError('a bug'))).toThrow('a bug')
  }
  expect(fake.listenerCount('unhandledRejection')).toBe(0)
})
