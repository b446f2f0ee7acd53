import { PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import { Connections } from '../src/connections.js'
import { ENDED_PRODUCERS_MAX, KEEP_ALIVE_SEC_MAX } from '../src/limits.js'
import { EngineBench } from './support/engine-bench.js'

describe('[MQTT-3.1.2-22] a client that is silent for one and a half times its keep-alive is disconnected', () => {
  test('then, and not a millisecond earlier, counted from what was heard last', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c', { keepAliveSec: 10 })
    bench.pass(9_000)
    bench.packet(1, { type: PacketType.PINGREQ, requestId: 5 })
    expect(bench.take(1).at(-1)).toEqual({ type: PacketType.PINGRESP, requestId: 5 })
    bench.pass(14_999)
    expect(bench.engine.stats['connections']).toBe(1)
    bench.pass(1)
    expect(bench.takeRefusal(1)).toBe('KEEP_ALIVE_TIMEOUT')
    expect(bench.closed.has(1)).toBe(true)
    expect(bench.engine.stats['connections']).toBe(0)
  })

  test('the broker grants its greatest to a client that asks for none, or for more', () => {
    const bench = new EngineBench()
    bench.connect(1, 'none', { keepAliveSec: 0 })
    bench.connect(2, 'more', { keepAliveSec: KEEP_ALIVE_SEC_MAX + 1 })
    bench.connect(3, 'less', { keepAliveSec: 7 })
    expect([1, 2, 3].map((id) => bench.takeConnack(id)?.keepAliveSec)).toEqual([
      KEEP_ALIVE_SEC_MAX,
      KEEP_ALIVE_SEC_MAX,
      7,
    ])
  })
})

describe('watching for silence is cheap', () => {
  test('what is heard moves no deadline: each connection is looked at once in its keep-alive', () => {
    const connections = new Connections()
    for (let id = 0; id < 1000; id++) {
      connections.open(id, 'r', 0)
      const connection = connections.get(id)!
      connection.keepAliveMs = 10_000
      connections.watch(connection)
    }
    let looks = 0
    let lastMs = -1
    for (let nowMs = 0; nowMs < 150_000; nowMs += 100) {
      for (const connection of connections.values()) connection.lastHeardMs = nowMs
      if (connections.nextDeadlineMs! > nowMs) continue
      if (connections.nextDeadlineMs !== lastMs) looks++
      lastMs = connections.nextDeadlineMs!
      expect(connections.takeSilent(nowMs)).toBeUndefined()
    }
    expect(looks).toBeLessThan(20)
  })

  test('a connection that has ended leaves no deadline behind', () => {
    const connections = new Connections()
    connections.open(1, 'r', 0)
    const connection = connections.get(1)!
    connection.keepAliveMs = 10_000
    connections.watch(connection)
    expect(connections.nextDeadlineMs).toBe(15_000)
    expect(connections.remove(connection)).toBe(true)
    expect(connections.remove(connection)).toBe(false)
    expect(connections.nextDeadlineMs).toBeUndefined()
  })
})

test('a producer is remembered when its connection has ended, until very many others are', () => {
  const connections = new Connections()
  const open = (id: number) => {
    connections.open(id, 'r', 0)
    return connections.get(id)!
  }
  const older = open(1)
  for (let id = 2; id < ENDED_PRODUCERS_MAX + 3; id++) {
    connections.claimProducer(open(id), id)
    connections.remove(connections.get(id)!)
  }
  expect([2, 3, ENDED_PRODUCERS_MAX + 2].map((id) => connections.isNewestOf(older, id))).toEqual([true, false, false])
  const newer = open(ENDED_PRODUCERS_MAX + 3)
  expect(connections.isNewestOf(newer, 3)).toBe(true)
  connections.claimProducer(newer, 3)
  expect([newer, older].map((each) => connections.isNewestOf(each, 3))).toEqual([true, false])
})

describe('the rules of a connection', () => {
  test('[MQTT-3.1.0-1] a first packet other than CONNECT ends it', () => {
    const bench = new EngineBench()
    bench.engine.handleOpen(1, { remote: 'r' }, bench.nowMs)
    bench.packet(1, { type: PacketType.PINGREQ, requestId: 1 })
    expect(bench.takeRefusal(1)).toBe('PROTOCOL_ERROR')
    expect(bench.closed.has(1)).toBe(true)
  })

  test('[MQTT-3.1.0-2] a second CONNECT ends it', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.take(1)
    bench.packet(1, { ...CONNECT, clientId: 'c' })
    expect(bench.takeRefusal(1)).toBe('PROTOCOL_ERROR')
  })

  test.each([
    ['a version that the broker does not speak', { versionMin: 99, versionMax: 99 }, 'UNSUPPORTED_VERSION'],
    ['an empty client id', { clientId: '' }, 'INVALID_ARGUMENT'],
    ['a client id with a NUL', { clientId: 'a\0b' }, 'INVALID_ARGUMENT'],
    ['a client id that is too long', { clientId: 'x'.repeat(10_000) }, 'INVALID_ARGUMENT'],
  ])('%s is refused', (_, fields, code) => {
    const bench = new EngineBench()
    bench.sendConnect(1, 'c', fields)
    expect(bench.takeRefusal(1)).toBe(code)
  })

  test('a client without a client id is given one of its own', () => {
    const bench = new EngineBench()
    bench.connect(1, null)
    bench.connect(2, null)
    const ids = [1, 2].map((id) => bench.takeConnack(id)!.clientId)
    expect(ids[0]).not.toBe(ids[1])
    expect(ids[0]).toMatch(/^auto-/)
  })

  test('what comes on a connection that is gone changes nothing', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.leave(1)
    const batches = bench.log.length
    bench.publish(1, 'a', ['m'])
    bench.engine.handleBlocked(1)
    bench.engine.handleWritable(1, bench.nowMs)
    bench.lose(1)
    expect(bench.log.length).toBe(batches)
  })
})

const CONNECT = {
  type: PacketType.CONNECT,
  requestId: 1,
  versionMin: 1,
  versionMax: 1,
  features: [],
  clientId: null,
  namespace: null,
  authMethod: null,
  authData: null,
  keepAliveSec: 0,
  agent: 'test',
  cleanSession: false,
  sessionExpirySec: 0,
  will: null,
  willDelaySec: 0,
}
