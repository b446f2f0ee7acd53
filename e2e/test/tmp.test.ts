import { connect } from '@gomq/client'
import { expect, test } from 'vitest'
import { ClusterProcesses } from './support/cluster-processes.js'

test('timeline', async () => {
  await using cluster = await ClusterProcesses.start({ args: ['--log-level', 'debug'] })
  const mq = await connect(cluster.urls, { reconnect: { minMs: 10, maxMs: 100 } })
  const t0 = Date.now()
  const at = () => Date.now() - t0
  mq.on('disconnected', (e) => console.log(at(), 'client disconnected', e.code))
  mq.on('connected', () => console.log(at(), 'client connected'))
  await mq.publish('t', 'x', { qos: 1 })
  for (const how of ['kill', 'stop', 'kill'] as const) {
    const leader = await cluster.leader()
    const lens = cluster.brokers.map((b) => b.stderr.length)
    const k = Date.now()
    console.log(at(), how, cluster.brokers.indexOf(leader) + 1)
    const p = how === 'kill' ? leader.kill() : leader.stop()
    await mq.publish('t', 'y', { qos: 1 })
    console.log(at(), 'acked after', Date.now() - k)
    await p
    console.log(at(), 'ended')
    cluster.brokers.forEach((b, i) => console.log(`--- b${i + 1} (kill at ${k})\n` + b.stderr.slice(lens[i]).split('\n').map((l) => { try { const o = JSON.parse(l); const { time, level, msg, pid, hostname, ...r } = o; return `${typeof time === 'number' ? time - k : Date.parse(time) - k} ${msg} ${JSON.stringify(r).slice(0, 200)}` } catch { return l } }).join('\n')))
    await leader.restart()
    await cluster.settled()
    console.log(at(), 'settled')
  }
  await mq.close()
  expect(1).toBe(1)
}, 120_000)
