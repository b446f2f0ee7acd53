import { expect, test } from 'vitest'
import { profileTable } from '../../src/report/profile-table.js'

test('a row for each event loop, with the functions that matter', () => {
  const functions = [
    { name: 'append (log.js)', share: 0.5 },
    { name: '(garbage collector)', share: 0.021 },
    { name: 'seldom (log.js)', share: 0.019 },
  ]
  const loops = [
    { process: 'broker', busyShare: 0.4, functions },
    { process: 'produce', busyShare: 1, functions: [] },
  ]
  const table = profileTable([{ workload: 'publish', system: 'gomq', profile: { loops, serverKernelShare: 0.254 } }])
  expect(table.split('\n').map((line) => line.replaceAll(/ +/g, ' '))).toEqual([
    '| case | system | event loop | busy % | kernel % | of which, % |',
    expect.any(String),
    '| publish | gomq | broker | 40 | 25 | 50 append (log.js), 2 (garbage collector) |',
    '| publish | gomq | produce | 100 | | |',
  ])
})
