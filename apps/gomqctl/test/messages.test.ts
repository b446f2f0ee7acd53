import { GomqError, type Message } from '@gomq/client'
import { expect, test } from 'vitest'
import { Exit } from '../src/exit.js'
import { readable } from '../src/messages.js'
import { Notes } from '../src/notes.js'

function subscriptionOf(results: (Message | Error)[]): { next(): Promise<IteratorResult<Message, undefined>> } {
  const rest = [...results]
  return {
    next: async () => {
      const result = rest.shift()
      if (result instanceof Error) throw result
      return result === undefined ? { done: true, value: undefined } : { done: false, value: result }
    },
  }
}

async function read(results: (Message | Error)[]): Promise<{ topics: string[]; warnings: string; error: unknown }> {
  let warnings = ''
  const notes = new Notes({ write: (text) => (warnings += text) }, false)
  const topics: string[] = []
  let error: unknown
  try {
    for await (const { topic } of readable(subscriptionOf(results), notes)) topics.push(topic)
  } catch (thrown) {
    error = thrown
  }
  return { topics, warnings, error }
}

const a = { topic: 'a' } as Message
const b = { topic: 'b' } as Message

test('messages come in order until the subscription ends', async () => {
  expect(await read([a, b])).toEqual({ topics: ['a', 'b'], warnings: '', error: undefined })
})

test('a record that cannot be decoded is named and passed over; the command then ends with 65', async () => {
  const { topics, warnings, error } = await read([a, new GomqError('BAD_RECORD', 'record 7 is no msgpack'), b])
  expect(topics).toEqual(['a', 'b'])
  expect(warnings).toBe('gomqctl: a message is passed over: record 7 is no msgpack\n')
  expect(error).toBeInstanceOf(Exit)
  expect((error as Exit).exitCode).toBe(65)
})

test('any other failure ends the reading', async () => {
  const lost = new GomqError('SESSION_TAKEN_OVER', 'another client has the id')
  expect(await read([a, lost, b])).toEqual({ topics: ['a'], warnings: '', error: lost })
})
