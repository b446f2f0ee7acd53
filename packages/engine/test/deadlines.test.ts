import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadlines } from '../src/deadlines.js'

test('what is due comes out in the order of its time, once, at the time that was set last, and nothing before', () => {
  const value = fc.nat(30)
  const step = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), value, atMs: fc.nat(100) }),
    fc.record({ kind: fc.constant('delete' as const), value }),
    fc.record({ kind: fc.constant('take' as const), nowMs: fc.nat(120) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
      const deadlines = new Deadlines<number>()
      const twin = new Map<number, number>()
      const earliest = () => (twin.size === 0 ? undefined : Math.min(...twin.values()))
      for (const each of steps) {
        if (each.kind === 'set') {
          deadlines.set(each.value, each.atMs)
          twin.set(each.value, each.atMs)
        } else if (each.kind === 'delete') {
          deadlines.delete(each.value)
          twin.delete(each.value)
        } else {
          const taken = deadlines.takeDue(each.nowMs)
          const first = earliest()
          if (first === undefined || first > each.nowMs) expect(taken).toBeUndefined()
          else {
            expect(twin.get(taken!)).toBe(first)
            twin.delete(taken!)
          }
        }
        expect(deadlines.nextMs).toBe(earliest())
        expect(deadlines.count).toBe(twin.size)
      }
    }),
  )
})
