import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { Interruption } from '../src/interruption.js'

class FakeProcess extends EventEmitter {
  exits: (number | undefined)[] = []

  exit(code: number | undefined): void {
    this.exits.push(code)
  }
}

function interruptionOf(fake: FakeProcess): Interruption {
  return new Interruption(fake as unknown as NodeJS.Process)
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('%s lets the command end in order, with exit code %i', async (signal, exitCode) => {
  const fake = new FakeProcess()
  using interruption = interruptionOf(fake)
  expect(interruption.exitCode).toBeUndefined()
  fake.emit(signal)
  await interruption.signalled
  expect(interruption.exitCode).toBe(exitCode)
  expect(fake.exits).toEqual([])
})

test('a second signal ends the process at once', () => {
  const fake = new FakeProcess()
  using interruption = interruptionOf(fake)
  fake.emit('SIGINT')
  fake.emit('SIGTERM')
  expect(fake.exits).toEqual([130])
  expect(interruption.exitCode).toBe(130)
})

test('nobody listens any more after the command', () => {
  const fake = new FakeProcess()
  interruptionOf(fake)[Symbol.dispose]()
  expect(fake.listenerCount('SIGINT') + fake.listenerCount('SIGTERM')).toBe(0)
})
