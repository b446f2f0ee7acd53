import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../../bench/dist/main.js', import.meta.url))

/** The parts of the results that are looked at. */
interface Results {
  readonly machine: { readonly commit: string; readonly fdatasyncUs: number }
  readonly systems: readonly { readonly name: string; readonly version: string; readonly missing?: string }[]
  readonly comparisons: readonly {
    readonly workload: string
    readonly figures: readonly {
      readonly workload: string
      readonly system: string
      readonly messages: number
      readonly ratePerSec: number
      readonly latency?: {
        readonly count: number
        readonly p50Us: number
        readonly p99Us?: number
        readonly maxUs: number
      }
      readonly lost: number
      readonly duplicated: number
      readonly serverRssMiB: number
    }[]
    readonly gaps: readonly { readonly system: string; readonly reason: string }[]
  }[]
}

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'gomq-bench-'))
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

test('every message comes once from every system that is installed, and the others say why they are not there', async () => {
  const { systems, comparisons } = await bench(
    ...['--workloads', 'end-to-end', '--messages', '2000', '--peers', 'nats,redis-always,mosquitto,aedes'],
    ...['--message-bytes', '100'],
  )
  const [{ figures, gaps }] = comparisons as [Results['comparisons'][number]]
  expect([...figures, ...gaps].map(({ system }) => system).sort()).toEqual(systems.map(({ name }) => name).sort())
  for (const { system, reason } of gaps) expect(systems.find(({ name }) => name === system)!.missing).toBe(reason)
  expect(figures.map(({ system }) => system)).toEqual(expect.arrayContaining(['floor', 'gomq', 'aedes']))
  for (const figure of figures) expect(figure).toMatchObject({ lost: 0, duplicated: 0 })
  for (const { messages, serverRssMiB } of figures) {
    // The warm-up takes a quarter of them at most.
    expect(messages).toBeGreaterThanOrEqual(1500)
    expect(messages).toBeLessThan(2000)
    expect(serverRssMiB).toBeGreaterThan(0)
  }
})

test('latency at fixed rates, and what was stored, are counted exactly too', async () => {
  const { machine, comparisons } = await bench(
    ...['--workloads', 'catch-up,latency', '--messages', '5000', '--seconds', '0.3', '--peers', 'none'],
    ...['--message-bytes', '100'],
  )
  expect(machine.fdatasyncUs).toBeGreaterThan(0)
  const figures = comparisons.flatMap((comparison) => comparison.figures)
  expect(figures.map(({ workload, system }) => `${workload} ${system}`)).toEqual([
    'catch-up floor',
    'catch-up gomq',
    'latency 1000/s floor',
    'latency 10000/s floor',
    'latency 1000/s gomq',
    'latency 10000/s gomq',
  ])
  for (const figure of figures) expect(figure).toMatchObject({ lost: 0, duplicated: 0 })
  // The first fifth is not timed: the pace is still settling.
  expect(figures.slice(2).map(({ messages, latency }) => [messages, latency!.count])).toEqual([
    [300, 240],
    [3000, 2400],
    [300, 240],
    [3000, 2400],
  ])
  for (const { latency } of figures.slice(2))
    expect(latency!.p99Us ?? latency!.maxUs).toBeGreaterThanOrEqual(latency!.p50Us)
})

test('a workload that is not there is refused with those that are', async () => {
  await expect(bench('--workloads', 'dance')).rejects.toMatchObject({
    code: 64,
    stderr: expect.stringContaining('end-to-end'),
  })
})

async function bench(...args: readonly string[]): Promise<Results> {
  const json = join(directory, 'results.json')
  await new Promise<void>((resolve, reject) => {
    execFile(process.execPath, [MAIN, '--no-install', '--runs', '1', '--json', json, ...args], (error, _, stderr) =>
      error === null ? resolve() : reject(Object.assign(error, { stderr })),
    )
  })
  return JSON.parse(readFileSync(json, 'utf8'))
}
