import { GomqError } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { AckGroup } from '../../src/session/ack-group.js'

test('a group tells all who wait for it its first outcome, whenever they ask', () => {
  const group = new AckGroup()
  const heard: unknown[] = []
  group.onSettled((error) => heard.push(error))
  expect(group.outcome).toBe(undefined)
  group.settle(null)
  group.settle(new GomqError('CLOSED', ''))
  group.onSettled((error) => heard.push(error))
  expect([heard, group.outcome]).toEqual([[null, null], null])
})
