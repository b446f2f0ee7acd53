import { randomInteger } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { PRODUCER_WINDOW_BATCHES } from '../src/limits.js'
import { ProducerWindow } from '../src/producer-window.js'

/** The same, as a list of objects. */
class Naive {
  entries: { first: number; base: number; end: number }[] = []

  trim(highWatermark: number): void {
    const pending = this.entries.filter(({ end }) => end > highWatermark)
    const committed = this.entries.filter(({ end }) => end <= highWatermark)
    this.entries = [...committed.slice(-PRODUCER_WINDOW_BATCHES), ...pending]
  }
}

test('random lives are those of a list of objects', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed)
    const window = new ProducerWindow()
    const naive = new Naive()
    let sequence = 2 ** 32 - 500
    let offset = 5
    let highWatermark = 0
    for (let step = 0; step < 2_000; step++) {
      const what = random.next()
      if (what < 0.9 || naive.entries.length < 2) {
        const count = randomInteger(random, 1, 4)
        offset += randomInteger(random, 0, 3)
        window.push(sequence, offset, offset + count)
        naive.entries.push({ first: sequence, base: offset, end: offset + count })
        sequence = (sequence + count) >>> 0
        offset += count
        window.trim(highWatermark)
        naive.trim(highWatermark)
      } else if (what < 0.98) highWatermark = randomInteger(random, highWatermark, offset + 1)
      else {
        const to = Math.max(highWatermark, offset - randomInteger(random, 0, 20))
        const left = naive.entries.filter(({ end }) => end <= to)
        if (left.length === 0) continue
        window.truncate(to)
        naive.entries = left
        const last = left.at(-1)!
        sequence = (last.first + last.end - last.base) >>> 0
        expect(window.nextSequence).toBe(sequence)
        offset = last.end
      }
      if (step % 50 > 0) continue
      const length = naive.entries.length
      expect(window.length).toBe(length)
      const flat = naive.entries.map(({ first, base, end }) => [first, base, end])
      const seen = flat.map((_, i) => [window.firstSequence(i), window.baseOffset(i), window.endOffset(i)])
      expect(seen).toEqual(flat)
      expect(window.endOffset(-1)).toBe(naive.entries.at(-1)!.end)
      const i = randomInteger(random, 0, length)
      expect(window.indexOf(naive.entries[i]!.first)).toBe(i)
      expect(window.indexOf((naive.entries[0]!.first - 1) >>> 0)).toBe(-1)
      const committed = naive.entries.filter(({ end }) => end <= highWatermark).slice(-PRODUCER_WINDOW_BATCHES)
      expect(window.committed(highWatermark)).toEqual(committed.flatMap(({ first, base, end }) => [first, base, end]))
    }
  }
})
