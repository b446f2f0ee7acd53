import { CommanderError } from 'commander'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { BenchFlags, BenchKind } from '../src/bench/bench-flags.js'
import { descendantsOf } from '../src/command-tree.js'
import type { BenchGlobals } from '../src/commands/bench.js'
import { type Actions, buildProgram, ownVersion, parse } from '../src/program.js'

type Call = [BenchKind, BenchFlags, BenchGlobals]

async function callOf(line: string): Promise<Call> {
  let seen: Call | undefined
  const program = buildProgram({ bench: async (...given: Call) => void (seen = given) } as unknown as Actions)
  for (const command of [program, ...descendantsOf(program)]) command.configureOutput({ writeErr: () => {} })
  await parse(program, line.split(' '))
  return seen!
}

beforeEach(() => {
  vi.stubEnv('XDG_CONFIG_HOME', '/nonexistent')
  vi.stubEnv('GOMQ_QOS', undefined)
})
afterEach(() => void vi.unstubAllEnvs())

const LOAD = { size: 100, producers: 1, topics: 1, window: 10_000, warmup: 0.1 }

test.each([
  ['bench pub', 'pub', { ...LOAD, rate: 0 }],
  ['bench pub -n 10 --size 1KiB --producers 2', 'pub', { ...LOAD, rate: 0, messages: 10, size: 1024, producers: 2 }],
  ['--interval 1s bench pub --duration 2m', 'pub', { ...LOAD, rate: 0, interval: 1000, duration: 120_000 }],
  ['bench e2e --consumers 3 --warmup 0', 'e2e', { ...LOAD, rate: 0, consumers: 3, warmup: 0 }],
  ['bench latency --precise', 'latency', { ...LOAD, rate: 1000, consumers: 1, precise: true }],
  ['bench sub --from earliest', 'sub', { from: 'earliest', consumers: 1, warmup: 0.1 }],
])('%s is understood', async (line, kind, flags) => {
  const [givenKind, givenFlags, globals] = await callOf(line)
  expect([givenKind, givenFlags]).toEqual([kind, flags])
  expect(globals).toMatchObject({ qos: 1, topic: [], retain: false, gomqctlVersion: ownVersion() })
})

test('QoS is 1 unless it is given, also as 0', async () => {
  expect((await callOf('bench pub -q 0'))[2].qos).toBe(0)
  vi.stubEnv('GOMQ_QOS', '0')
  expect((await callOf('bench pub'))[2].qos).toBe(0)
})

test.each([
  'bench pub --consumers 2',
  'bench sub --size 10',
  'bench pub --warmup 1',
  'bench pub -n 0',
  'bench nothing',
])('%s is refused', async (line) => {
  await expect(callOf(line)).rejects.toThrow(CommanderError)
})
