import { GomqError, PacketType } from '@gomq/protocol'
import { describe, expect, test } from 'vitest'
import type { Authorizer, Credentials } from '../src/authorizer.js'
import { batchOf } from './support/client-batch.js'
import { EngineBench } from './support/engine-bench.js'

const refused = (what: string) => new GomqError('NOT_AUTHORIZED', `nobody may touch ${what}`)

/** Lets in who has a password, and keeps everybody but `root` from what begins with `secret`. */
function guard(asked: Credentials[] = []): Authorizer {
  return {
    connect: (credentials) => {
      asked.push(credentials)
      return credentials.authData === null
        ? new GomqError('AUTH_FAILED', 'show a password')
        : { user: new TextDecoder().decode(credentials.authData) }
    },
    mayPublish: ({ user }, topic) => (user !== 'root' && topic.startsWith('secret') ? refused(topic) : undefined),
    maySubscribe: ({ user }, filter) => (user !== 'root' && filter.startsWith('secret') ? refused(filter) : undefined),
  }
}

const as = (user: string) => ({ authMethod: 'PLAIN', authData: new TextEncoder().encode(user) })

describe('an authorizer', () => {
  test('is shown who connects, from where, and with what', () => {
    const asked: Credentials[] = []
    const bench = new EngineBench({ authorizer: guard(asked) })
    bench.connect(1, 'c', as('ann'))
    expect(asked).toEqual([{ clientId: 'c', remote: 'client-1', ...as('ann') }])
    expect(bench.takeConnack(1)).toBeDefined()
  })

  test('refuses a connection, which does not take the client id over', () => {
    const bench = new EngineBench({ authorizer: guard() })
    bench.connect(1, 'c', as('ann'))
    bench.connect(2, 'c')
    expect(bench.takeRefusal(2)).toBe('AUTH_FAILED')
    expect(bench.closed).toEqual(new Set([2]))
  })

  test('refuses what is published, and nothing of it is stored; the connection stays', () => {
    const bench = new EngineBench({ authorizer: guard() })
    bench.connect(1, 'c', as('ann'))
    const batches = bench.log.length
    bench.publish(1, 'secret/x', ['m'], { id: 7 })
    expect(bench.takeRefusal(1)).toBe('NOT_AUTHORIZED')
    expect(bench.log.length).toBe(batches)
    bench.publish(1, 'open/x', ['m'], { id: 7 })
    bench.commitAll()
    expect(bench.take(1).map(({ type }) => type)).toEqual([PacketType.PUBACK])
  })

  test('drops a message of QoS 0 that it refuses: its publisher waits for no answer, and its connection stays', () => {
    const bench = new EngineBench({ authorizer: guard() })
    bench.connect(1, 'root', as('root'))
    bench.subscribe(1, 1, ['#'])
    bench.connect(2, 'c', as('ann'))
    bench.take(2)
    bench.publish(2, 'secret/x', ['m'], { qos: 0 })
    bench.publish(2, 'secret/x', ['kept'], { qos: 0, retain: true })
    expect(bench.engine.stats['droppedMessages']).toBe(2)
    bench.publish(2, 'open/x', ['next'], { qos: 0 })
    bench.commitAll()
    expect(bench.takeTexts(1)).toEqual(['next'])
    expect(bench.take(2)).toEqual([])
    expect(bench.closed.size).toBe(0)
  })

  test('refuses a subscription for one of its filters, also a durable one', () => {
    const bench = new EngineBench({ authorizer: guard() })
    bench.connect(1, 'c', as('ann'))
    bench.subscribe(1, 1, ['open', 'secret/+'])
    expect(bench.takeRefusal(1)).toBe('NOT_AUTHORIZED')
    bench.subscribe(1, 1, ['secret/+'], { name: 's' })
    bench.commitAll()
    expect(bench.takeRefusal(1)).toBe('NOT_AUTHORIZED')
    expect(bench.engine.stats).toMatchObject({ subscriptions: 0, durableSubscriptions: 0 })
  })

  test('refuses a connection whose will it would not publish', () => {
    const bench = new EngineBench({ authorizer: guard() })
    const batches = bench.log.length
    bench.connect(1, 'c', { ...as('ann'), will: batchOf('secret/x', ['m'], { id: 7 }) })
    expect(bench.takeRefusal(1)).toBe('NOT_AUTHORIZED')
    expect(bench.log.length).toBe(batches)
    bench.connect(2, 'c', { ...as('root'), will: batchOf('secret/x', ['m'], { id: 7 }) })
    expect(bench.takeConnack(2)).toBeDefined()
  })
})

describe('a subscription of QoS 2 is one of QoS 1 to the broker', () => {
  test('its messages come again until they are acknowledged', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's', qos: 2 })
    bench.publishFrom('a', ['m1', 'm2'], { qos: 2, id: 7 })
    const delivered = bench.takeDelivered(1)
    expect(delivered.map(({ text }) => text)).toEqual(['m1', 'm2'])
    const { offset } = delivered[0]!
    bench.packet(1, { type: PacketType.ACK, requestId: 9, subscriptionId: 1, ranges: [offset, offset + 1] })
    bench.commitAll()
    expect(bench.take(1)).toContainEqual({ type: PacketType.ACKED, requestId: 9 })
    bench.crash()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { name: 's', qos: 2 })
    bench.commitAll()
    expect(bench.takeDelivered(1)).toEqual([delivered[1]])
  })

  test('a batch of QoS 2 is stored once however often it is published', () => {
    const bench = new EngineBench()
    bench.connect(1, 'c')
    bench.subscribe(1, 1, ['a'], { qos: 2 })
    for (let i = 0; i < 3; i++) bench.publishFrom('a', ['once'], { qos: 2, id: 7 })
    expect(bench.takeTexts(1)).toEqual(['once'])
  })
})
