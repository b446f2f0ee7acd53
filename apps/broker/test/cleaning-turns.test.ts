import { RETENTION_DEFAULTS } from '@gomq/protocol'
import type { Cleaner, CleaningRules, Log, SurveyResult } from '@gomq/storage'
import { expect, test } from 'vitest'
import { silentLog } from '../src/broker-log.js'
import { CleaningTurns, type CleaningTurnsOptions } from '../src/cleaning-turns.js'

const policy = { ...RETENTION_DEFAULTS, filter: 'a', maxCount: 10 }
const NOTHING = {
  removedBytes: 0,
  rewrittenBytes: 0,
  segmentsDropped: 0,
  segmentsRewritten: 0,
  logStartOffset: 0,
  damages: [],
}
const SURVEY = {
  floors: [{ filter: 'a', before: 30 }],
  policies: [
    { filter: 'a', before: 20, wanted: 30, keptBytes: 500, keptCount: 5, goingBytes: 100, goingCount: 1, deadBytes: 7 },
  ],
  damages: [],
} as unknown as SurveyResult

/** Turns over a cleaner, a log and an engine that write down what they are asked for. */
function makeTurns(cleaner: Partial<Cleaner> = {}, options: Partial<CleaningTurnsOptions> = {}) {
  const said: unknown[] = []
  let before = 20
  const errors: unknown[] = []
  const turns = new CleaningTurns({
    log: { highWatermark: 100, logStartOffset: 40 } as unknown as Log,
    cleaner: {
      survey: async (_, rules) => {
        said.push(['survey', rules.rules.map((rule) => rule.before), rules.cleanableTo])
        return SURVEY
      },
      clean: async (_, rules, budgetBytes) => {
        said.push(['clean', rules.rules.map((rule) => rule.before), budgetBytes])
        return { ...NOTHING, removedBytes: 900, rewrittenBytes: 300 } as never
      },
      ...cleaner,
    },
    snapshots: { olderBeginOffset: 60 } as never,
    scheduler: { nowMs: () => 5, schedule: () => ({ cancel: () => undefined }) },
    brokerLog: { ...silentLog, error: (fields) => errors.push(fields) },
    intervalMs: 10,
    segmentBytes: 1000,
    retentionRules: () => ({ rules: [{ policy, before: before as never }], version: 3 }),
    retainedOffsets: () => ({ count: 2, offsets: [70, 50] as never[] }),
    handleSurvey: async (floors, version) => {
      said.push(['floors', floors, version])
      before = 30
    },
    handleLogStart: (offset) => said.push(['log start', offset]),
    ...options,
  })
  return { turns, said, errors }
}

test('a turn surveys, lets floors become records, cleans by what is committed then, and tells the engine where the log begins', async () => {
  const { turns, said } = makeTurns()
  await turns.run()
  expect(said).toEqual([
    ['survey', [20], 60],
    ['floors', SURVEY.floors, 3],
    ['clean', [30], 1000],
    ['log start', 40],
  ])
  expect(turns.stats).toEqual({ cleanedBytes: 900, rewrittenBytes: 300, damagedSegments: 0 })
})

test('what was rewritten is taken off the budget, and what is appended is added', async () => {
  const { turns, said } = makeTurns()
  await turns.run()
  turns.handleAppended(50)
  await turns.run()
  expect(said).toContainEqual(['clean', [30], 1000 - 300 + 50])
})

test('nothing above the high watermark is cleaned, however far the older snapshot is', async () => {
  const seen: CleaningRules[] = []
  const clean: Cleaner['clean'] = async (_, rules) => {
    seen.push(rules)
    return NOTHING as never
  }
  await makeTurns({ clean }, { snapshots: { olderBeginOffset: 140 } as never }).turns.run()
  expect(seen[0]!.cleanableTo).toBe(100)
})

test('what is cleaned spares what is retained below the older snapshot, gathered by the rules as they were before', async () => {
  const seen: CleaningRules[] = []
  const clean: Cleaner['clean'] = async (_, rules) => {
    seen.push(rules)
    return NOTHING as never
  }
  await makeTurns({ clean }).turns.run()
  expect([...seen[0]!.pinned]).toEqual([50])
})

test('a turn that fails is logged, the engine learns where the log begins all the same, and the next turn begins anew', async () => {
  let fails = true
  const clean: Cleaner['clean'] = async () => {
    if (fails) throw new Error('EIO')
    return NOTHING as never
  }
  const { turns, said, errors } = makeTurns({ clean })
  await turns.run()
  expect(errors).toHaveLength(1)
  expect(said.at(-1)).toEqual(['log start', 40])
  fails = false
  await turns.run()
  expect(errors).toHaveLength(1)
})

test('a damaged segment is logged once, and counted as long as it is there', async () => {
  let damages = [{ file: 'log/0.log', byte: 5, offset: 7, message: 'it is damaged' }]
  const clean: Cleaner['clean'] = async () => ({ ...NOTHING, damages }) as never
  const survey: Cleaner['survey'] = async () => ({ ...SURVEY, damages }) as never
  const { turns, errors } = makeTurns({ clean, survey })
  await turns.run()
  await turns.run()
  expect(errors).toEqual([{ file: 'log/0.log', byte: 5, offset: 7, reason: 'it is damaged' }])
  expect(turns.stats.damagedSegments).toBe(1)
  damages = []
  await turns.run()
  expect(turns.stats.damagedSegments).toBe(0)
})

test('while the log waits for room, what is dead by the floors that hold goes, and none are raised', async () => {
  const { turns, said } = makeTurns({}, { handleSurvey: () => new Promise(() => undefined) })
  const waiting = turns.run()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(said).toEqual([['survey', [20], 60]])
  turns.handleFull(true)
  await waiting
  await turns.run()
  expect(said.slice(1).map((each) => (each as unknown[])[0])).toEqual(['clean', 'log start', 'clean', 'log start'])
  turns.handleFull(false)
  void turns.run()
  await new Promise((resolve) => setTimeout(resolve, 5))
  expect(said.at(-1)).toEqual(['survey', [20], 60])
})

test('a dry run says what would be dead and changes nothing', async () => {
  const { turns, said } = makeTurns()
  expect(await turns.dryRun({ ...policy, maxCount: 4 })).toEqual({ before: 30, deadBytes: 107, liveBytes: 400 })
  expect(said).toEqual([['survey', [20], 60]])
})

test('after a stop nothing is cleaned, and the cleaner is closed', async () => {
  let closed = 0
  const { turns, said } = makeTurns({ close: async () => void closed++ } as Partial<Cleaner>)
  await turns.stop()
  await turns.run()
  expect([closed, said]).toEqual([1, []])
})
