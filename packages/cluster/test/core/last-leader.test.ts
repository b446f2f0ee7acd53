import { describe, expect, it } from 'vitest'
import { LastLeader } from '../../src/core/last-leader.js'

const a = { id: 'a', storeId: 'a1' }
const other = { id: 'a', storeId: 'a2' }

describe('the leader that was followed last', () => {
  it('was heard of when it spoke last; of other copies nothing is known', () => {
    const last = new LastLeader()
    expect(last.heardAtMs(a, 50)).toBe(50)
    for (let ms = 0; ms <= 4000; ms += 250) {
      last.handleTick(ms)
      if (ms === 1000) last.handleHello(a, ms)
      if (ms === 1500) last.handleMessage(ms)
    }
    expect([last.heardAtMs(a, 4100), last.heardAtMs(other, 4100)]).toEqual([1500, 4100])
  })

  it('is not blamed by one who was asleep', () => {
    const last = new LastLeader()
    last.handleTick(0)
    last.handleHello(a, 0)
    last.handleTick(250)
    last.handleTick(9000)
    expect(last.heardAtMs(a, 9100)).toBe(9000)
  })
})
