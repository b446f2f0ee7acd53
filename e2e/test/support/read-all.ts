import { connect } from '@gomq/client'

/** The texts of all stored messages that match the filter, in the order of offsets. */
export async function readAll(url: string, filter: string): Promise<string[]> {
  await using mq = await connect(url)
  const subscription = await mq.subscribe([filter], { qos: 0, from: 'earliest', untilEnd: true })
  const texts: string[] = []
  for await (const message of subscription) texts.push(message.text)
  return texts
}
