import { expect, test } from 'vitest'
import { compare, middleOf } from '../src/compare.js'
import type { System } from '../src/systems/system.js'
import type { Workload, WorkloadContext } from '../src/workloads/workload.js'
import { figureOf, SYSTEMS } from './support/figures.js'

test('of several runs the one in the middle is shown, with all rates and the most that was lost', () => {
  const runs = [figureOf('gomq', 30, { lost: 1 }), figureOf('gomq', 10), figureOf('gomq', 20, { serverCpuUs: 9 })]
  const middle = middleOf(runs, 'rate')
  expect(middle).toMatchObject({ ratePerSec: 20, ratesPerSec: [30, 10, 20], lost: 1, serverCpuUs: 9 })
})

test('systems take turns; one that fails is left out with its reason, and the others go on', async () => {
  const order: string[] = []
  const workload: Workload = {
    name: 'publish',
    about: 'it publishes',
    by: 'rate',
    sizes: 'each',
    cannot: ({ name }) => (name === 'floor' ? 'it is a floor' : undefined),
    run: async ({ name }) => {
      order.push(name)
      if (name === 'slow') throw new Error('too slow\n  by far')
      return [figureOf(name, order.length)]
    },
  }
  const missing = new Map([['fast', 'not installed']])
  const systems = SYSTEMS as unknown as System[]
  const context = { messageBytes: 100 } as WorkloadContext
  const { figures, gaps } = await compare(
    workload,
    [...systems, { name: 'other' } as System],
    missing,
    2,
    () => context,
  )
  expect(order).toEqual(['gomq', 'slow', 'other', 'gomq', 'other'])
  expect(figures.map(({ system, ratesPerSec }) => [system, ratesPerSec])).toEqual([
    ['gomq', [1, 4]],
    ['other', [3, 5]],
  ])
  expect(gaps.map(({ system, reason }) => [system, reason])).toEqual([
    ['floor', 'it is a floor'],
    ['fast', 'not installed'],
    ['slow', 'failed: too slow; by far'],
  ])
})

test('a workload that says the same each time has the runs that it needs', async () => {
  let runs = 0
  const workload: Workload = {
    ...{ name: 'idle', about: 'it is idle', by: 'memory', sizes: 'first', runsMax: 1 },
    run: async () => {
      runs++
      return []
    },
  }
  await compare(workload, [{ name: 'gomq' } as System], new Map(), 3, () => ({ messageBytes: 100 }) as WorkloadContext)
  expect(runs).toBe(1)
})
