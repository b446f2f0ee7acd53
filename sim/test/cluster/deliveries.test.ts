import { expect, it } from 'vitest'
import { Deliveries } from '../../src/cluster/deliveries.js'

/** 10 has committed at 100 ms, 20 at 200 ms. */
function told() {
  const broken: string[] = []
  let nowMs = 0
  const deliveries = new Deliveries(
    (invariant) => void broken.push(invariant),
    () => nowMs,
  )
  for (const [atMs, toOffset] of [
    [100, 10],
    [200, 20],
  ] as const) {
    nowMs = atMs
    deliveries.handleCommitted(toOffset)
  }
  return { broken, deliveries }
}

it('a client may be sent what had committed when it was sent, and nothing else', () => {
  const { broken, deliveries } = told()
  deliveries.handleSent('s', [8, 9], 100)
  deliveries.handleSent('s', [19], 200)
  expect(broken).toEqual([])
  deliveries.handleSent('s', [10], 199)
  deliveries.handleSent('s', [20], 300)
  expect(broken).toEqual(['delivered only what is committed', 'delivered only what is committed'])
})

it('a publisher may be told of what has committed, and of nothing else', () => {
  const { broken, deliveries } = told()
  deliveries.handleAcknowledged('p', 19)
  expect(broken).toEqual([])
  deliveries.handleAcknowledged('p', 20)
  expect(broken).toEqual(['acknowledged only what is committed'])
})

it('a message is at one offset, and an offset has one message, whoever reads', () => {
  const { broken, deliveries } = told()
  deliveries.handleRead('s', 3, 'p#1')
  deliveries.handleRead('t', 3, 'p#1')
  deliveries.handleRead('s', -1, 'p#1')
  expect(broken).toEqual([])
  deliveries.handleRead('t', 4, 'p#1')
  deliveries.handleRead('t', 3, 'p#2')
  expect(broken).toEqual(['no duplicates', 'one value per offset'])
})

it('a will may come once for each connection', () => {
  const { broken, deliveries } = told()
  deliveries.handleRead('s', 3, 'will:p')
  deliveries.handleRead('s', 9, 'will:p')
  expect(broken).toEqual([])
})
