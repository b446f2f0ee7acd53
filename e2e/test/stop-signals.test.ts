import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

test('a signal that comes twice, from the terminal and from whoever started the broker, stops it in order', async () => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    await using broker = await BrokerProcess.start()
    await using mq = await connect(broker.url)
    await mq.publish('a', 'b', { qos: 1 })
    process.kill(broker.pid, signal)
    process.kill(broker.pid, signal)
    expect(await broker.stop()).toBe(0)
    expect(broker.stderr).toContain('"msg":"stopped"')
    expect(broker.stderr).not.toContain('exiting at once')
  }
})
