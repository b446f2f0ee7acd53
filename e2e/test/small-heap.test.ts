import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { delay } from './support/killed-load.js'

const isLong = process.env['GOMQ_LONG'] !== undefined
const MIB = 2 ** 20
const TOTAL_BYTES = (isLong ? 300 : 40) * MIB
const VALUE_BYTES = 4 * 1024
const PUBLISHERS = 4
const HEAP_MIB = 256

test(`with a heap of ${HEAP_MIB} MiB and publishers much faster than the consumer, the broker holds them back, keeps all of it and does not crash`, async () => {
  await using broker = await BrokerProcess.start({ nodeArgs: [`--max-old-space-size=${HEAP_MIB}`] })
  const { pid } = broker
  const each = Math.ceil(TOTAL_BYTES / VALUE_BYTES / PUBLISHERS)
  let isPublishing = true
  let received = 0
  await using consumer = await connect(broker.url, { clientId: 'slow' })
  const subscription = await consumer.subscribe(['load/#'], { qos: 1, name: 'mine', from: 'earliest' })
  const consuming = (async () => {
    for await (const message of subscription) {
      received++
      const settled = message.ack().catch(() => {})
      // Ten thousand a second at most, and less than is published, until there is nothing else to do.
      if (isPublishing && received % 50 === 0) {
        await settled
        await delay(5)
      }
      if (received === each * PUBLISHERS) break
    }
  })()
  let rssMiB = 0
  const watch = setInterval(() => {
    rssMiB = Math.max(rssMiB, broker.rssMiB)
  }, 100)
  const startMs = Date.now()
  await Promise.all(
    Array.from({ length: PUBLISHERS }, async (_, p) => {
      await using mq = await connect(broker.url, { clientId: `p${p}` })
      const value = new Uint8Array(VALUE_BYTES).fill(p)
      const failures: unknown[] = []
      for (let i = 0; i < each; i++) {
        mq.publish(`load/${p}`, value, { qos: 1, timeoutMs: 600_000 }).catch((error: unknown) => failures.push(error))
        await mq.writable()
      }
      // Nothing is left behind when it closes: the last ack stands for those before.
      await mq.publish(`end/${p}`, '', { qos: 1, timeoutMs: 600_000 })
      expect(failures).toEqual([])
    }),
  )
  const publishedMs = Date.now() - startMs
  const behind = each * PUBLISHERS - received
  isPublishing = false
  await consuming
  clearInterval(watch)
  // While the broker is there to answer its last acknowledgements.
  await consumer.close()
  console.log(
    `small heap: ${((each * PUBLISHERS * VALUE_BYTES) / MIB).toFixed(0)} MiB published in ${publishedMs} ms, the consumer ${behind} messages behind by then; ` +
      `broker RSS at most ${Math.max(rssMiB, broker.rssMaxMiB).toFixed(0)} MiB`,
  )
  expect(broker.pid).toBe(pid)
  expect(received).toBe(each * PUBLISHERS)
  expect(behind, 'the consumer was slower').toBeGreaterThan(0)
  expect(await broker.stop()).toBe(0)
}, 1_200_000)
