import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { withSignal } from '../../src/node/abort.js'

const aborted = expect.objectContaining({ code: 'ABORTED' })

test('a signal that fires ends the wait once and says so', async () => {
  const controller = new AbortController()
  let aborts = 0
  const waiting = withSignal(new Promise(() => {}), controller.signal, 'x', () => aborts++)
  controller.abort()
  await expect(waiting).rejects.toEqual(aborted)
  await expect(withSignal(Promise.reject(new Error('late')), controller.signal, 'x', () => aborts++)).rejects.toEqual(
    aborted,
  )
  expect(aborts).toBe(2)
})

test('a result that comes first leaves no listener behind', async () => {
  const { signal } = new AbortController()
  expect(await withSignal(Promise.resolve(1), signal, 'x', () => {})).toBe(1)
  await expect(withSignal(Promise.reject(new Error('no')), signal, 'x', () => {})).rejects.toThrow('no')
  await new Promise(setImmediate)
  expect(getEventListeners(signal, 'abort')).toEqual([])
})
