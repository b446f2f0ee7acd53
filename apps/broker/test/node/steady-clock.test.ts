import { expect, test } from 'vitest'
import { SteadyClock } from '../../src/node/steady-clock.js'

function clocks(): { wall: number; monotonic: number; clock: SteadyClock } {
  const state = { wall: 1_000_000, monotonic: 0, clock: undefined as unknown as SteadyClock }
  state.clock = new SteadyClock(
    () => state.wall,
    () => state.monotonic,
  )
  return state
}

test('the clock runs with the wall clock while that is not set', () => {
  const state = clocks()
  for (let i = 0; i < 100; i++) {
    state.wall += 7
    state.monotonic += 7
    expect(state.clock.nowMs()).toBe(state.wall)
  }
})

test('a wall clock that is set an hour ahead is followed a quarter faster', () => {
  const state = clocks()
  state.wall += 3_600_000
  expect(state.clock.nowMs()).toBe(1_000_000)
  state.monotonic += 1_000
  state.wall += 1_000
  expect(state.clock.nowMs()).toBe(1_001_250)
})

test('a wall clock that is set back is waited for, and time never goes back', () => {
  const state = clocks()
  state.wall -= 100
  let last = state.clock.nowMs()
  for (let elapsed = 0; elapsed < 1_000; elapsed += 10) {
    state.monotonic += 10
    state.wall += 10
    const now = state.clock.nowMs()
    expect(now).toBeGreaterThanOrEqual(last)
    last = now
  }
  expect(last).toBe(state.wall)
})
