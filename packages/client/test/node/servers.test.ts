import { describe, expect, test } from 'vitest'
import { parseAddress } from '../../src/node/address.js'
import { Servers } from '../../src/node/servers.js'

function three() {
  let nowMs = 0
  const servers = new Servers(['a:1', 'b:2', 'c:3'].map(parseAddress), () => nowMs)
  const next = () => servers.next().port
  return {
    servers,
    next,
    pass: (ms: number) => {
      nowMs += ms
    },
  }
}

describe('which broker is tried next', () => {
  test('those that were given, in turn', () => {
    const { next } = three()
    expect([next(), next(), next(), next()]).toEqual([1, 2, 3, 1])
  })

  test('the leader that one named, also one that was not given, and then the next in turn', () => {
    const { servers, next } = three()
    next()
    servers.handleLeader('d:4')
    expect(servers.isRedirected).toBe(true)
    expect([next(), next()]).toEqual([4, 2])
  })

  test('is not the word of two that name each other for ever', () => {
    const { servers, next } = three()
    const tried = Array.from({ length: 8 }, () => {
      servers.handleLeader('d:4')
      return next()
    })
    expect(tried).toEqual([4, 4, 4, 1, 4, 4, 4, 2])
  })

  test('is not one that was silent, for a while, whoever names it', () => {
    const { servers, next, pass } = three()
    servers.handleSilent(parseAddress('a:1'))
    servers.handleLeader('a:1')
    expect([servers.isRedirected, next(), next(), next()]).toEqual([false, 2, 3, 2])
    pass(5000)
    servers.handleLeader('a:1')
    expect([next(), next(), next()]).toEqual([1, 3, 1])
  })

  test('is the silent one all the same when another cannot be reached', () => {
    const { servers, next } = three()
    servers.handleSilent(parseAddress('a:1'))
    expect(next()).toBe(2)
    servers.handleUnreachable(parseAddress('b:2'))
    expect([next(), next()]).toEqual([3, 1])
  })

  test('is the silent one where there is no other', () => {
    const alone = new Servers([parseAddress('a:1')], () => 0)
    alone.handleSilent(parseAddress('a:1'))
    expect(alone.next().port).toBe(1)
  })

  test('what is no address is passed over', () => {
    const { servers, next } = three()
    servers.handleLeader('no address at all')
    expect(next()).toBe(1)
  })
})
