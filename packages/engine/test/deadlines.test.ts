import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadlines } from '../src/deadlines.js'

test('what is due comes out in the order of its time, and nothing before', () => {
  const step = fc.oneof(fc.nat(100), fc.constant('take' as const))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.nat(100), (steps, nowMs) => {
      const deadlines = new Deadlines<number>()
      let twin: number[] = []
      for (const each of steps) {
        if (each !== 'take') {
          deadlines.add(each, each)
          twin = [...twin, each].sort((a, b) => a - b)
        } else {
          const expected = twin[0] !== undefined && twin[0] <= nowMs ? twin.shift() : undefined
          expect(deadlines.takeDue(nowMs)).toBe(expected)
        }
        expect(deadlines.nextMs).toBe(twin[0])
        expect(deadlines.count).toBe(twin.length)
      }
    }),
  )
})
