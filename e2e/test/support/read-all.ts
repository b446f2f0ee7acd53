import { connect, type Message } from '@gomq/client'

/** The texts of all stored messages that match the filter, in the order of offsets. */
export async function readAll(url: string | readonly string[], filter: string): Promise<string[]> {
  return (await readMessages(url, filter)).map((message) => message.text)
}

/** All stored messages that match the filter, in the order of offsets. */
export async function readMessages(url: string | readonly string[], filter: string): Promise<Message[]> {
  await using mq = await connect(url)
  const subscription = await mq.subscribe([filter], { qos: 0, from: 'earliest', untilEnd: true })
  const messages: Message[] = []
  for await (const message of subscription) messages.push(message)
  return messages
}
