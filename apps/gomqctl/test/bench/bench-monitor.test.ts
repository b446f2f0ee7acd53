import { expect, test } from 'vitest'
import { BenchMonitor } from '../../src/bench/bench-monitor.js'
import { Progress } from '../../src/progress.js'

test('a line says what was counted since the last one, as rates', () => {
  let nowMs = 500
  let acked = 0
  let text = ''
  const stderr = { isTTY: false, write: (part: string) => (text += part) }
  const progress = new Progress(stderr as unknown as NodeJS.WritableStream)
  using monitor = new BenchMonitor(
    () => ({ done: acked, total: 1000, counts: { acked, received: 2 * acked } }),
    progress,
    stderr,
    3_600_000,
    () => nowMs,
  )
  acked = 100
  nowMs = 1500
  monitor.writeLine()
  acked = 150
  nowMs = 2000
  monitor.writeLine()
  expect(text).toBe('1.0s  acked 100/s  received 200/s\n1.5s  acked 100/s  received 200/s\n')
})
