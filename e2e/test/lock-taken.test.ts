import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { delay } from './support/killed-load.js'
import { readAll } from './support/read-all.js'

const ROUNDS = process.env['GOMQ_LONG'] === undefined ? 2 : 30
const MESSAGES = 20
/** As long as a broker elsewhere, which cannot see the process, watches its claim. */
const STANDS_STILL_MS = 4_000

test(`a broker that stood still and whose directory another one has taken acknowledges nothing and writes nothing when it wakes`, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    await using old = await BrokerProcess.start()
    const mq = await connect(old.url, { clientId: 'publisher' })
    for (let i = 0; i < 200; i++) await mq.publish('t', 'before', { qos: 1 })
    process.kill(old.pid, 'SIGSTOP')
    const late = ['x', 'y'].map((text) =>
      mq.publish('t', text, { qos: 1, timeoutMs: STANDS_STILL_MS + 10_000 }).then(
        () => text,
        () => 'refused',
      ),
    )
    await delay(STANDS_STILL_MS)
    for (const name of readdirSync(old.dataDirectory).filter((each) => each.startsWith('LOCK.')))
      rmSync(join(old.dataDirectory, name))
    await using next = await BrokerProcess.start({ dataDirectory: old.dataDirectory })
    {
      await using other = await connect(next.url)
      for (let i = 0; i < MESSAGES; i++) await other.publish('t', `of the next ${i}`, { qos: 1 })
    }
    process.kill(old.pid, 'SIGCONT')
    expect(await old.ended, 'exit code of the one that stood still').toBe(75)
    await mq.close({ timeoutMs: 100 })
    expect(await Promise.all(late), `acknowledged in round ${round}`).toEqual(['refused', 'refused'])
    await next.restart()
    const stored = await readAll(next.url, 't')
    expect(stored.slice(200), `stored in round ${round}`).toEqual(
      Array.from({ length: MESSAGES }, (_, i) => `of the next ${i}`),
    )
  }
}, 600_000)
