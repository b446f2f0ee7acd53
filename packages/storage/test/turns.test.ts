import { expect, test } from 'vitest'
import { Turns } from '../src/turns.js'

test('works run one behind the other in the order in which they came, whether they fail or not', async () => {
  const turns = new Turns()
  const seen: string[] = []
  const work = (name: string, fails = false) =>
    turns.take(async () => {
      seen.push(`${name} begins`)
      await Promise.resolve()
      seen.push(`${name} ends`)
      if (fails) throw new Error(name)
      return name
    })
  const outcomes = await Promise.allSettled([work('a'), work('b', true), work('c')])
  expect(seen).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends'])
  expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})
