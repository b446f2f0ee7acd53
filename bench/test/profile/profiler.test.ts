import { expect, test } from 'vitest'
import { LoopProfiler, summarizeSamples } from '../../src/profile/profiler.js'

const node = (id: number, functionName: string, url = '') => ({ id, callFrame: { functionName, url } })

test('time of one function is summed up, wherever it is called from, and is a share of what is not idle', () => {
  const nodes = [
    node(1, '(idle)'),
    node(2, 'append', 'file:///x/log.js'),
    node(3, 'append', 'file:///x/log.js'),
    node(4, 'append', 'file:///x/batch.js'),
    node(5, '', 'node:fs'),
    node(6, '(garbage collector)'),
  ]
  const samples = [1, 2, 3, 4, 5, 6]
  expect(summarizeSamples('broker', { nodes, samples, timeDeltas: [60, 10, 10, 5, 5, 10] })).toEqual({
    process: 'broker',
    busyShare: 0.4,
    functions: [
      { name: 'append (log.js)', share: 0.5 },
      { name: '(garbage collector)', share: 0.25 },
      { name: 'append (batch.js)', share: 0.125 },
      { name: '(anonymous) (node:fs)', share: 0.125 },
    ],
  })
  expect(summarizeSamples('broker', { nodes }).busyShare).toBe(0)
})

test('finds what its own process is busy with', async () => {
  const profiler = new LoopProfiler('test')
  await profiler.start()
  spin(50)
  const { busyShare, functions } = await profiler.stop()
  expect(busyShare).toBeGreaterThan(0.5)
  expect(functions.slice(0, 3).some(({ name }) => /^(spin|now) /.test(name) || name === 'now')).toBe(true)
})

function spin(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}
