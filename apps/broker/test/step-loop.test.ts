import { expect, test } from 'vitest'
import type { Peer } from '../src/peer.js'
import { StepLoop } from '../src/step-loop.js'

function recorder(): { events: string[]; loop: StepLoop; peer: Peer; gate: { isOpen: boolean } } {
  const events: string[] = []
  const isOpen = true
  const loop = new StepLoop({
    afterStep: () => events.push('after'),
    onError: (error) => events.push(String(error)),
    mayFlush: () => isOpen,
    onHeld: () => events.push('held'),
  })
  const peer: Peer = {
    connectionId: 1,
    send: () => undefined,
    close: () => undefined,
    flush: () => events.push('flush'),
  }
  return { events, loop, peer }
}

test('an input that comes up during a step runs after it, and peers are flushed once at the end', () => {
  const { events, loop, peer } = recorder()
  loop.step(() => {
    loop.step(() => {
      events.push('second')
      loop.markDirty(peer)
    })
    loop.markDirty(peer)
    events.push('first')
  })
  expect(events).toEqual(['first', 'second', 'flush', 'after'])
})

test('after an input that throws none runs', () => {
  const { events, loop } = recorder()
  loop.step(() => {
    throw new Error('bug')
  })
  loop.step(() => events.push('never'))
  expect(events).toEqual(['Error: bug'])
})
