import { GomqError, type Message } from '@gomq/client'
import { Exit, ExitCode } from './exit.js'
import type { Notes } from './notes.js'

/** The messages of a subscription. A record that cannot be decoded is named and passed over; the end is then an {@link Exit} with 65. */
export async function* readable(
  subscription: { next(): Promise<IteratorResult<Message, undefined>> },
  notes: Notes,
): AsyncGenerator<Message, void> {
  let bad = 0
  for (;;) {
    let result: IteratorResult<Message, undefined>
    try {
      result = await subscription.next()
    } catch (error) {
      if (!(error instanceof GomqError) || error.code !== 'BAD_RECORD') throw error
      bad++
      notes.warn(`a message is passed over: ${error.message}`)
      continue
    }
    if (result.done === true) break
    yield result.value
  }
  if (bad > 0) throw new Exit(ExitCode.DATA)
}
