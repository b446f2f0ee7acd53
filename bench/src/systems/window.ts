import type { PublishJob } from './system.js'

/**
 * Keeps `window` publishes under way until all of a job are acknowledged. For clients that answer each publish with a promise.
 * @throws  the first failure
 */
export async function publishInWindow(
  job: PublishJob,
  window: number,
  publish: (topic: string, value: Uint8Array) => Promise<unknown>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let sent = 0
    let acked = 0
    const onAck = () => {
      acked++
      job.onAcked(1)
      if (acked === job.count) resolve()
      // Half a window together: what is written in one turn of the event loop goes out in one packet.
      else if (sent - acked <= window / 2) fill()
    }
    const fill = () => {
      for (; sent < job.count && sent - acked < window; sent++)
        publish(job.topicAt(sent), job.valueAt(sent)).then(onAck, reject)
    }
    fill()
  })
}
