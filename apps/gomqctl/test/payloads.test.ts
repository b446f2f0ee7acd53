import { expect, test } from 'vitest'
import { Notes } from '../src/notes.js'
import { type Given, groupsOf } from '../src/payloads.js'
import type { Payload } from '../src/publisher.js'

const notes = new Notes({ write: () => true }, true)
const never = new Promise<void>(() => {})

async function groups(given: Given): Promise<(readonly Payload[])[]> {
  const all: (readonly Payload[])[] = []
  for await (const group of groupsOf(given, notes, never)) all.push(group)
  return all
}

test('words are one group', async () => {
  expect(await groups({ words: ['a', 'b'] })).toEqual([['a', 'b']])
})

test('a count repeats all words in their order, in groups that stay small', async () => {
  const all = await groups({ words: ['a', 'b', 'c'], count: 1111 })
  expect(all.flat()).toEqual(Array.from({ length: 1111 }, () => ['a', 'b', 'c']).flat())
  for (const group of all) expect(group.length).toBeLessThanOrEqual(1000)
})

test('messages of a template are counted through all groups, and large ones are not made at once', async () => {
  expect((await groups({ words: ['{{n}}', 'x'], count: 1500, template: true })).flat().at(-2)).toBe('2999')
  const large = await groups({ words: ['{{random:1000000}}'], count: 5, template: true })
  expect(large.map((group) => group.length)).toEqual([2, 2, 1])
})

test('what stands before a template that is wrong still comes', async () => {
  const seen: Payload[] = []
  const reading = (async () => {
    for await (const group of groupsOf({ words: ['{{n}}', '{{m}}'], template: true }, notes, never)) seen.push(...group)
  })()
  await expect(reading).rejects.toThrow('"{{m}}" is no placeholder')
  expect(seen).toEqual(['1'])
})

test('an interval lies between messages, not before the first or after the last', async () => {
  const startMs = performance.now()
  expect(await groups({ words: ['a', 'b', 'c'], interval: 50 })).toEqual([['a'], ['b'], ['c']])
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(98)
})

test('the end ends repetition and pause at once', async () => {
  let resolve!: () => void
  const end = new Promise<void>((settle) => (resolve = settle))
  let count = 0
  for await (const _ of groupsOf({ words: ['a'], count: 1e12 }, notes, end)) if (++count === 3) resolve()
  expect(count).toBeLessThanOrEqual(4)
  for await (const _ of groupsOf({ words: ['a', 'b'], interval: 1e9 }, notes, end)) count++
  let isSecond = false
  const later = new Promise<void>((settle) => setTimeout(settle, 20))
  for await (const [message] of groupsOf({ words: ['a', 'b'], interval: 1e9 }, notes, later)) isSecond = message === 'b'
  expect(isSecond).toBe(false)
})
