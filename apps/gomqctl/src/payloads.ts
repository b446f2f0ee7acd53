import { setImmediate, setTimeout } from 'node:timers/promises'
import { readWhole, splitLines, until } from './lines.js'
import type { Notes } from './notes.js'
import type { Payload } from './publisher.js'
import { renderTemplate } from './template.js'

/** Bytes of one message that are read before it is given up: no broker can be configured to take more. */
const MESSAGE_BYTES_MAX: number = 64 * 1024 * 1024
/** Messages and bytes of a group that is made here, so that memory stays bounded and a signal is heard between two groups. */
const GROUP_MESSAGES_MAX = 1000
const GROUP_BYTES_MAX: number = 1024 * 1024

/** What is to be published. */
export interface Given {
  /** A message each; `-` alone is all of standard input, none is each line of it. */
  readonly words: readonly string[]
  /** How often all of it is published, once by default. */
  readonly count?: number
  /** Milliseconds between messages, none by default. */
  readonly interval?: number
  /** Whether placeholders are filled in. */
  readonly template?: boolean
}

/** Messages in groups, as they become available, until `end` resolves. @throws GomqError for what cannot be read or filled in */
export function groupsOf(given: Given, notes: Notes, end: Promise<void>): AsyncIterable<readonly Payload[]> {
  let groups: AsyncIterable<readonly Payload[]> = once(given.words, notes, end)
  if (given.count !== undefined && given.count > 1) groups = repeated(groups, given.count)
  if (given.template === true) groups = rendered(groups)
  if (given.interval !== undefined && given.interval > 0) groups = paced(groups, given.interval, end)
  return until(groups, end)
}

async function* once(
  words: readonly string[],
  notes: Notes,
  end: Promise<void>,
): AsyncGenerator<readonly Payload[], void> {
  if (words.length > 0 && words[0] !== '-') {
    yield words
    return
  }
  let hasEnded = false
  void end.then(() => (hasEnded = true))
  const chunks = until(process.stdin as AsyncIterable<Uint8Array>, end)
  try {
    if (words[0] === '-') {
      if (process.stdin.isTTY) notes.hint('what you type is one message; end it with Ctrl-D')
      const whole = await readWhole(chunks, MESSAGE_BYTES_MAX)
      if (!hasEnded) yield [whole]
      return
    }
    if (process.stdin.isTTY) notes.hint('each line you type is a message; end with Ctrl-D')
    for await (const lines of splitLines(chunks, MESSAGE_BYTES_MAX)) {
      // What stands behind the last line feed when the reading is interrupted is no whole line.
      if (hasEnded) return
      yield lines
    }
  } finally {
    // A terminal or pipe that is still open would hold the process.
    process.stdin.destroy()
  }
}

/** Every group `count` times. */
async function* repeated(groups: AsyncIterable<readonly Payload[]>, count: number): AsyncGenerator<readonly Payload[]> {
  for await (const group of groups) {
    let part: Payload[] = []
    for (let round = 0; round < count; round++)
      for (const message of group) {
        part.push(message)
        if (part.length < GROUP_MESSAGES_MAX) continue
        yield part
        part = []
        await setImmediate()
      }
    if (part.length > 0) yield part
  }
}

/** Every message with its placeholders filled in; messages are counted from 1. */
async function* rendered(groups: AsyncIterable<readonly Payload[]>): AsyncGenerator<readonly Payload[]> {
  let n = 0
  for await (const group of groups) {
    let part: Payload[] = []
    let bytes = 0
    try {
      for (const template of group) {
        const message = renderTemplate(template, ++n)
        part.push(message)
        bytes += message.length
        if (bytes < GROUP_BYTES_MAX) continue
        yield part
        part = []
        bytes = 0
        await setImmediate()
      }
    } catch (error) {
      // What stands before a line that is wrong is published.
      if (part.length > 0) yield part
      throw error
    }
    if (part.length > 0) yield part
  }
}

/** Every message by itself, with a pause before each but the first. */
async function* paced(
  groups: AsyncIterable<readonly Payload[]>,
  intervalMs: number,
  end: Promise<void>,
): AsyncGenerator<readonly Payload[]> {
  const controller = new AbortController()
  const { signal } = controller
  void end.then(() => controller.abort())
  let isFirst = true
  for await (const group of groups)
    for (const message of group) {
      if (!isFirst) await setTimeout(intervalMs, undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      isFirst = false
      yield [message]
    }
}
