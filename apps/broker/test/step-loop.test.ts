import { expect, test } from 'vitest'
import type { Peer } from '../src/peer.js'
import { StepLoop } from '../src/step-loop.js'

function recorder(): { events: string[]; loop: StepLoop; peer: Peer; gate: { isOpen: boolean } } {
  const events: string[] = []
  const gate = { isOpen: true }
  const loop = new StepLoop({
    afterStep: () => events.push('after'),
    onError: (error) => events.push(String(error)),
    mayFlush: () => gate.isOpen,
    onHeld: () => events.push('held'),
  })
  const peer: Peer = {
    connectionId: 1,
    send: () => undefined,
    close: () => undefined,
    flush: () => events.push('flush'),
  }
  return { events, loop, peer, gate }
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

test('what a step has to send stays, and inputs wait, until it may leave', () => {
  const { events, loop, peer, gate } = recorder()
  gate.isOpen = false
  loop.step(() => loop.markDirty(peer))
  loop.step(() => events.push('input'))
  expect(events).toEqual(['held', 'after'])
  gate.isOpen = true
  loop.release()
  expect(events).toEqual(['held', 'after', 'input', 'flush', 'after'])
  expect(loop.isHeld).toBe(false)
})

test('a loop that is held runs nothing, and what waits is dropped with a stop', () => {
  const { events, loop } = recorder()
  loop.hold()
  loop.hold()
  loop.step(() => events.push('input'))
  loop.stop()
  loop.release()
  expect(events).toEqual(['held'])
})
