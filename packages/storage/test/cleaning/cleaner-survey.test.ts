import type { RetentionPolicy } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import { describe, expect, test } from 'vitest'
import { createCleaner } from '../../src/cleaning/cleaner.js'
import { many, start } from '../support/cleanable-log.js'
import { faultyFiles } from '../support/faulty-files.js'

describe('a survey', () => {
  test.each<[string, Partial<RetentionPolicy>, number | undefined]>([
    ['age', { maxAgeMs: 1_000_000 - 1049 }, 50],
    ['count', { maxCount: 30 }, 70],
    ['bytes', { maxBytes: 10 * 155 }, 90],
    ['the bound that is reached first', { maxCount: 30, maxAgeMs: 1_000_000 - 1079 }, 80],
    ['nothing', {}, undefined],
    ['a bound that is not reached', { maxCount: 100, maxBytes: 1e9, maxAgeMs: 1e9 }, undefined],
  ])('finds the floor that %s asks for', async (_, policy, floor) => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const { floors, policies } = await createCleaner({ fs: disk.mount(), crc32 }).survey(log, rules(policy))
    expect(floors).toEqual(floor === undefined ? [] : [{ filter: '#', before: floor }])
    expect(policies).toMatchObject([{ keptCount: 100, goingCount: floor ?? 0, deadBytes: 0 }])
  })

  test('keeps the batch that holds the oldest message of those that a count asks for', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(30), 10)
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const floorFor = async (maxCount: number) => (await cleaner.survey(log, rules({ maxCount }))).floors[0]?.before
    expect([await floorFor(1), await floorFor(10), await floorFor(11), await floorFor(21)]).toEqual([
      20,
      20,
      10,
      undefined,
    ])
  })

  test('never asks for a lower floor than there is, and counts nothing below it', async () => {
    const { disk, log, put, rules } = await start()
    await put(many(100))
    const cleaner = createCleaner({ fs: disk.mount(), crc32 })
    const { floors, policies } = await cleaner.survey(log, rules({ maxCount: 60 }, 50))
    expect(floors).toEqual([])
    expect(policies).toMatchObject([{ before: 50, wanted: 50, keptCount: 50, goingCount: 0 }])
    expect(policies[0]!.deadBytes).toBe(policies[0]!.keptBytes)
  })

  test('reads each sealed segment once, whatever is appended and however the bounds change', async () => {
    const { disk, log, put, rules } = await start()
    const opened: string[] = []
    const fs = faultyFiles(disk.mount(), (call, path) => {
      if (call === 'open') opened.push(path)
    })
    const cleaner = createCleaner({ fs, crc32 })
    await put(many(100))
    await cleaner.survey(log, rules({ maxCount: 50 }))
    expect(opened.sort()).toEqual(log.sealedSegments.map(({ path }) => path))
    const known = log.sealedSegments.length
    await put(many(40))
    for (const maxCount of [50, 70, 20]) {
      const { floors } = await cleaner.survey(log, rules({ maxCount }))
      expect(floors).toEqual([{ filter: '#', before: 140 - maxCount }])
    }
    expect(opened.slice(known).sort()).toEqual(log.sealedSegments.slice(known).map(({ path }) => path))
  })
})
