import { filtersOverlap } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { expect, test } from 'vitest'
import { type AckedPlace, ackedFloors } from '../src/acked-floors.js'

const place = (filters: string[], position: number, unacked: number[] = []): AckedPlace => ({
  filters,
  position,
  unacked,
})

test('the floor is the lowest position, or what is not acknowledged below it, of those that overlap', () => {
  const places = [place(['jobs/#'], 90), place(['jobs/a'], 70, [40, 42]), place(['other'], 5)]
  expect([...ackedFloors(['jobs/+', 'jobs/b', 'none'], places)]).toEqual([
    ['jobs/+', 40],
    ['jobs/b', 90],
  ])
})

test('is what a look at everybody would say', () => {
  const filters = ['#', 'a/#', 'a/+', 'a/b', 'b', '+', 'a/b/c', '$sys/#']
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed)
    const places = Array.from({ length: random.below(6) }, () => {
      const position = 10 + random.below(90)
      const unacked = random.chance(0.5) ? [random.below(10), 10] : []
      return place([random.pick(filters), random.pick(filters)], position, unacked)
    })
    const expected = filters.flatMap((filter) => {
      const overlapping = places.filter((each) => each.filters.some((other) => filtersOverlap(other, filter)))
      if (overlapping.length === 0) return []
      return [[filter, Math.min(...overlapping.map(({ position, unacked }) => unacked[0] ?? position))]]
    })
    expect([...ackedFloors(filters, places)], `seed ${seed}`).toEqual(expected)
  }
})
