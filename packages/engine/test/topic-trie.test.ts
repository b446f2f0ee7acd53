import { topicMatches } from '@gomq/protocol'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TopicTrie } from '../src/topic-trie.js'

const name = fc.constantFrom('a', 'b', '', '$s')
const topic = fc.array(name, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filter = fc
  .tuple(fc.array(fc.oneof(name, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))

test('a topic finds exactly the values whose filters match it, once each, also when others were removed', () => {
  const step = fc.record({ filter: fc.oneof(filter, fc.constant('#')), value: fc.nat(4), isRemoval: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.array(topic, { minLength: 1, maxLength: 8 }), (steps, topics) => {
      const trie = new TopicTrie<number>()
      const twin = new Map<string, Set<number>>()
      for (const { filter, value, isRemoval } of steps) {
        const values = twin.get(filter) ?? new Set()
        twin.set(filter, values)
        if (isRemoval) {
          trie.remove(filter, value)
          values.delete(value)
        } else {
          trie.add(filter, value)
          values.add(value)
        }
      }
      expect(trie.isEmpty).toBe([...twin.values()].every((values) => values.size === 0))
      for (const topic of topics) {
        const expected = new Set(
          [...twin].flatMap(([filter, values]) => (topicMatches(filter, topic) ? [...values] : [])),
        )
        expect(trie.match(topic)).toEqual(expected)
      }
    }),
    { numRuns: 2000 },
  )
})
