import { connect, type Message } from '@gomq/client'

/** The texts of all stored messages that match the filter, in the order of offsets. */
export async function readAll(url: string | readonly string[], filter: string): Promise<string[]> {
  return (await readMessages(url, filter)).map((message) => message.text)
}

/** Offsets, half-open, that retention took before a reader got there. */
export interface Missed {
  readonly from: number
  readonly to: number
}

/**
 * All stored messages that match the filter, in the order of offsets.
 * @param missed  takes what the reader is told that it missed
 */
export async function readMessages(
  url: string | readonly string[],
  filter: string,
  missed: Missed[] = [],
): Promise<Message[]> {
  await using mq = await connect(url)
  mq.on('missed', ({ from, to }) => missed.push({ from, to }))
  const subscription = await mq.subscribe([filter], { qos: 0, from: 'earliest', untilEnd: true })
  const messages: Message[] = []
  for await (const message of subscription) messages.push(message)
  return messages
}
