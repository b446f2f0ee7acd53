import { GomqError } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { Message } from '../../src/node/message.js'
import { GROUP_MESSAGES_MAX, MessageGroups } from '../../src/node/message-groups.js'
import type { MessageSource, Reader } from '../../src/node/message-iterator.js'

/** A source with messages that are numbers, and what was acknowledged of them. */
function source(isAutoAck = true) {
  const acked: number[] = []
  const waiting: number[] = []
  let readers: Reader[] = []
  let end: GomqError | null | undefined
  const messageOf = (n: number) => ({ n, acknowledge: () => acked.push(n) }) as unknown as Message
  const port: MessageSource = {
    isAutoAck,
    take: () => {
      const n = waiting.shift()
      if (n !== undefined) return { done: false, value: messageOf(n) }
      if (end) throw end
      return end === null ? { done: true, value: undefined } : undefined
    },
    takeMore: (messages, countMax) => {
      messages.push(...waiting.splice(0, countMax - messages.length).map(messageOf))
    },
    wait: (reader) => readers.push(reader),
    withdraw: (reader) => {
      readers = readers.filter((each) => each !== reader)
    },
  }
  const come = (...numbers: number[]) => {
    waiting.push(...numbers)
    while (readers.length > 0 && waiting.length > 0)
      readers.shift()!.resolve({ done: false, value: messageOf(waiting.shift()!) })
  }
  return { port, acked, come, finish: (error: GomqError | null) => void (end = error), readers: () => readers.length }
}

const numbers = (result: IteratorResult<readonly Message[], undefined>) =>
  result.value?.map((message) => (message as unknown as { n: number }).n)

describe('groups of messages', () => {
  test('are what is there, in order, and acknowledged as a whole when the next is asked for', async () => {
    const { port, acked, come } = source()
    const groups = new MessageGroups(port)
    come(1, 2, 3)
    expect(numbers(await groups.next())).toEqual([1, 2, 3])
    expect(acked).toEqual([])
    const next = groups.next()
    expect(acked).toEqual([1, 2, 3])
    come(4, 5)
    expect(numbers(await next)).toEqual([4, 5])
  })

  test('are not acknowledged where the application does that, nor when the loop is left', async () => {
    const manual = source(false)
    manual.come(1, 2)
    const groups = new MessageGroups(manual.port)
    await groups.next()
    void groups.next()
    expect(manual.acked).toEqual([])
    const auto = source()
    auto.come(1, 2)
    for await (const group of new MessageGroups(auto.port)) {
      expect(group).toHaveLength(2)
      break
    }
    expect(auto.acked).toEqual([])
  })

  test('are bounded, and leave the rest for the next', async () => {
    const { port, come } = source()
    come(...Array.from({ length: GROUP_MESSAGES_MAX + 1 }, (_, i) => i))
    const groups = new MessageGroups(port)
    expect((await groups.next()).value).toHaveLength(GROUP_MESSAGES_MAX)
    expect(numbers(await groups.next())).toEqual([GROUP_MESSAGES_MAX])
  })

  test('give what came before an end, and then the end or its reason', async () => {
    const over = source()
    over.come(1, 2)
    over.finish(null)
    const groups = new MessageGroups(over.port)
    expect(numbers(await groups.next())).toEqual([1, 2])
    expect(await groups.next()).toEqual({ done: true, value: undefined })
    const failed = source()
    failed.come(1)
    failed.finish(new GomqError('SESSION_TAKEN_OVER', 'gone'))
    const others = new MessageGroups(failed.port)
    expect(numbers(await others.next())).toEqual([1])
    await expect(others.next()).rejects.toMatchObject({ code: 'SESSION_TAKEN_OVER' })
  })

  test('wait for nobody when their loop is left', async () => {
    const { port, readers } = source()
    const groups = new MessageGroups(port)
    const next = groups.next()
    expect(readers()).toBe(1)
    await groups.return()
    expect(await next).toEqual({ done: true, value: undefined })
    expect(readers()).toBe(0)
  })
})
