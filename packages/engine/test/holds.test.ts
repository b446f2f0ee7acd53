import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { HOLD_MS_MAX, HOLD_SHARE_MAX, SLOW_SUBSCRIBER_MS } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

const PUBLISHER = 1
const LISTENER = 2
const OTHER = 3

/** A publisher, and a listener with credit for eight messages. */
function listening(): EngineBench {
  const bench = new EngineBench()
  bench.connect(PUBLISHER, 'p')
  bench.connect(LISTENER, 'l')
  bench.subscribe(LISTENER, 1, ['a'], { messages: 8 })
  bench.commitAll()
  return bench
}

function publish(bench: EngineBench, count: number, from = PUBLISHER): void {
  for (let i = 0; i < count; i++) bench.publish(from, 'a', ['m'], { qos: 0 })
}

function credit(bench: EngineBench, messages: number): void {
  bench.packet(LISTENER, { type: PacketType.CREDIT, subscriptionId: 1, messages, bytes: 1000 })
}

function isHeld(bench: EngineBench, connectionId = PUBLISHER): boolean {
  return bench.held.has(connectionId)
}

/** The driver has held the publisher for as long as it may. */
function over(bench: EngineBench, connectionId = PUBLISHER, ms = HOLD_MS_MAX): void {
  bench.nowMs += ms
  bench.held.delete(connectionId)
  bench.engine.handleHoldOver(connectionId, bench.nowMs)
}

describe('a publisher of QoS 0', () => {
  test('is held when a listener has used five eighths of its credit, and released when credit comes', () => {
    const bench = listening()
    publish(bench, 5)
    expect(isHeld(bench)).toBe(false)
    publish(bench, 1)
    expect([isHeld(bench), bench.takeTexts(LISTENER)]).toEqual([true, Array(6).fill('m')])
    publish(bench, 2)
    expect(bench.takeTexts(LISTENER), 'what had arrived is delivered all the same').toEqual(['m', 'm'])
    credit(bench, 2)
    expect(isHeld(bench), 'still short').toBe(true)
    credit(bench, 4)
    expect(isHeld(bench)).toBe(false)
  })

  test('is held while the connection of a listener takes no more', () => {
    const bench = listening()
    bench.engine.handleBlocked(LISTENER)
    publish(bench, 1)
    expect(isHeld(bench)).toBe(true)
    bench.engine.handleWritable(LISTENER, bench.nowMs)
    expect(isHeld(bench)).toBe(false)
  })

  test('waits for all listeners, and for none that has left', () => {
    const bench = listening()
    bench.connect(OTHER, 'o')
    bench.subscribe(OTHER, 1, ['a'], { messages: 8 })
    bench.commitAll()
    publish(bench, 6)
    credit(bench, 6)
    expect(isHeld(bench), 'the other one is short').toBe(true)
    bench.lose(OTHER)
    expect(isHeld(bench)).toBe(false)
  })

  test('is not held by another one who publishes, nor by what is stored', () => {
    const bench = listening()
    bench.connect(OTHER, 'o')
    publish(bench, 6, OTHER)
    expect([isHeld(bench), isHeld(bench, OTHER)]).toEqual([false, true])
    bench.publish(PUBLISHER, 'a', ['m'])
    bench.commitAll()
    expect(isHeld(bench)).toBe(false)
  })

  test('is not held for itself, since it brings the credit, nor for one that asked for nothing', () => {
    const bench = listening()
    publish(bench, 8, LISTENER)
    bench.connect(OTHER, 'o')
    bench.subscribe(OTHER, 1, ['b'], { messages: 0 })
    bench.commitAll()
    bench.publish(PUBLISHER, 'b', ['m'], { qos: 0 })
    expect([...bench.held]).toEqual([])
  })
})

describe('a listener that stands still', () => {
  test('costs who publish one hold, until it gets credit', () => {
    const bench = listening()
    publish(bench, 6)
    over(bench)
    publish(bench, 3)
    expect(isHeld(bench)).toBe(false)
    bench.nowMs += 10 * SLOW_SUBSCRIBER_MS
    publish(bench, 3)
    expect(isHeld(bench)).toBe(false)
  })

  test('holds nobody for a while after it got credit, and then again', () => {
    const bench = listening()
    publish(bench, 6)
    over(bench)
    credit(bench, 6)
    publish(bench, 6)
    expect(isHeld(bench)).toBe(false)
    credit(bench, 6)
    bench.nowMs += SLOW_SUBSCRIBER_MS
    publish(bench, 6)
    expect(isHeld(bench)).toBe(true)
  })

  test('does not make one slow that was waited for only in the end', () => {
    const bench = listening()
    bench.connect(OTHER, 'o')
    bench.subscribe(OTHER, 1, ['a', 'b'], { messages: 8 })
    bench.commitAll()
    publish(bench, 5)
    credit(bench, 5)
    publish(bench, 1)
    expect(isHeld(bench), 'for the other one').toBe(true)
    bench.nowMs += HOLD_MS_MAX - 10
    publish(bench, 5)
    over(bench, PUBLISHER, 10)
    credit(bench, 6)
    publish(bench, 6)
    expect(isHeld(bench)).toBe(true)
  })

  test('a hold that is over when its publisher has left, or was released, changes nothing', () => {
    const bench = listening()
    publish(bench, 6)
    credit(bench, 6)
    over(bench)
    publish(bench, 6)
    expect(isHeld(bench)).toBe(true)
    bench.lose(PUBLISHER)
    over(bench)
    expect(bench.takeTexts(LISTENER)).toHaveLength(12)
  })
})

describe('a listener that is slower than who publishes', () => {
  /** Publishes a message each millisecond in which it is not held, to a listener that is done with so many a second. */
  function flow(donePerSec: number): { readonly heldShare: number; readonly lost: number } {
    const bench = listening()
    const ms = 20_000
    let [published, delivered, waiting, done, heldForMs] = [0, 0, 0, 0, 0]
    for (let i = 0; i < ms; i++) {
      bench.nowMs++
      heldForMs = isHeld(bench) ? heldForMs + 1 : 0
      if (heldForMs === HOLD_MS_MAX) over(bench, PUBLISHER, 0)
      if (!isHeld(bench)) {
        publish(bench, 1)
        published++
      }
      const came = bench.takeTexts(LISTENER).length
      delivered += came
      waiting += came
      for (done += donePerSec / 1000; done >= 1 && waiting > 0; done--, waiting--) credit(bench, 1)
      done = Math.min(done, 1)
    }
    return { heldShare: 1 - published / ms, lost: published - delivered }
  }

  test('gets all if it is a quarter as fast, and holds up for three quarters of the time at most however slow it is', () => {
    const quarter = flow(250)
    expect(quarter.lost).toBe(0)
    expect(quarter.heldShare).toBeLessThan(HOLD_SHARE_MAX + 0.01)
    for (const perSec of [200, 150, 100, 20, 5]) {
      const { heldShare, lost } = flow(perSec)
      expect([perSec, heldShare > 0, heldShare < HOLD_SHARE_MAX, lost > 0]).toEqual([perSec, true, true, true])
    }
    expect(flow(100).heldShare, 'much slower: it costs less').toBeLessThan(0.3)
    expect(flow(2).heldShare).toBeLessThan(0.06)
  })
})
