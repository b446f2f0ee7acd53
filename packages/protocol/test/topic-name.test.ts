import { GomqError, topicMatches, validateTopicFilter, validateTopicName } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LONG_FACTOR } from './arbitraries.js'

const badTopic = expect.objectContaining({ code: 'INVALID_TOPIC' })
const badFilter = expect.objectContaining({ code: 'INVALID_FILTER' })

describe('validateTopicName', () => {
  test.each([
    'a',
    '/',
    '//',
    'sport/tennis',
    '/finance',
    ' ',
    'é',
    '😀/x',
    '$SYS/x',
    '\ufeff',
    'ACCOUNTS',
    '../../etc',
    'a\nb',
  ])('%j is a topic name', (topic) => validateTopicName(topic))

  test.each<[string, string]>([
    ['[MQTT-4.7.3-1] empty', ''],
    ['[MQTT-4.7.1-1] with a multi-level wildcard', 'sport/#'],
    ['[MQTT-4.7.1-1] with a single-level wildcard', 'a+b'],
    ['[MQTT-4.7.3-2] with NUL', 'a\u0000b'],
    ['[MQTT-1.5.4-1] with a lone high surrogate', 'a\ud800'],
    ['[MQTT-1.5.4-1] with a lone low surrogate', '\udc00b'],
    ['[MQTT-4.7.3-3] of 65,536 bytes', 'x'.repeat(65_536)],
    ['[MQTT-4.7.3-3] of 65,536 bytes in fewer characters', 'é'.repeat(32_768)],
    ['of 201 levels', '/'.repeat(200)],
  ])('%s is no topic name', (_, topic) => {
    expect(() => validateTopicName(topic)).toThrow(badTopic)
  })

  test('65,535 bytes and 200 levels are the greatest', () => {
    validateTopicName('x'.repeat(65_535))
    validateTopicName(`x${'é'.repeat(32_767)}`)
    validateTopicName('/'.repeat(199))
  })

  test('a message shows the topic without its control characters and without its length', () => {
    const error = catchError(() => validateTopicName(`${'x'.repeat(500)}\u0000`))
    expect(error.message.length).toBeLessThan(200)
    const { message } = catchError(() => validateTopicName('\u001b[31m\n\u0000'))
    expect([...message].filter((character) => character < ' ')).toEqual([])
  })
})

describe('validateTopicFilter', () => {
  test.each(['#', '+', '+/+', '/+', 'sport/tennis/#', '+/tennis/#', 'sport/+/player1', '$share/g/a/#', '/', 'a//#'])(
    '[MQTT-4.7.1] %j is a topic filter',
    (filter) => validateTopicFilter(filter),
  )

  test.each([
    '',
    'sport/tennis#',
    'sport/tennis/#/ranking',
    'sport+',
    '+a',
    'a/b+',
    '##',
    '#/',
    'a\u0000/#',
    '+/\ud800',
  ])('[MQTT-4.7.1] %j is no topic filter', (filter) => {
    expect(() => validateTopicFilter(filter)).toThrow(badFilter)
  })

  test('any text is a filter or a GomqError, and what is a name is a filter too', () => {
    const anyString = fc.string({ unit: fc.constantFrom('a', '/', '+', '#', '$', '\u0000', '\ud800', '\udc00', 'é') })
    fc.assert(
      fc.property(anyString, (text) => {
        const isName = passes(() => validateTopicName(text))
        const isFilter = passes(() => validateTopicFilter(text))
        if (isName) expect(isFilter).toBe(true)
        if (isFilter && !/[+#]/.test(text)) expect(isName).toBe(true)
      }),
      { numRuns: 2000 * LONG_FACTOR },
    )
  })
})

describe('topicMatches', () => {
  // The examples of MQTT 5.0, sections 4.7.1 and 4.7.2.
  test.each<[string, string, boolean]>([
    ['sport/tennis/player1/#', 'sport/tennis/player1', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/ranking', true],
    ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
    ['sport/#', 'sport', true],
    ['#', 'anything/at/all', true],
    ['sport/tennis/+', 'sport/tennis/player1', true],
    ['sport/tennis/+', 'sport/tennis/player2', true],
    ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
    ['sport/+', 'sport', false],
    ['sport/+', 'sport/', true],
    ['+/+', '/finance', true],
    ['/+', '/finance', true],
    ['+', '/finance', false],
    ['#', '$SYS/monitor/Clients', false],
    ['+/monitor/Clients', '$SYS/monitor/Clients', false],
    ['$SYS/#', '$SYS/monitor/Clients', true],
    ['$SYS/monitor/+', '$SYS/monitor/Clients', true],
    ['ACCOUNTS', 'Accounts', false],
    ['a//b', 'a/b', false],
    ['a/+/b', 'a//b', true],
    ['/', '/', true],
    ['/#', '/', true],
    ['/#', 'a', false],
    ['a/$x/#', 'a/$x/y', true],
    ['+/$x', 'a/$x', true],
  ])('%j on %j is %j', (filter, topic, expected) => {
    expect(topicMatches(filter, topic)).toBe(expected)
  })

  /** The dumb twin: recursive, level by level. */
  function matches(filter: readonly string[], topic: readonly string[], isFirst = true): boolean {
    const [level, ...moreFilter] = filter
    const [name, ...moreTopic] = topic
    if (isFirst && (level === '+' || level === '#') && name?.startsWith('$')) return false
    if (level === '#') return true
    if (level === undefined || name === undefined) return level === name
    return (level === '+' || level === name) && matches(moreFilter, moreTopic, false)
  }

  test('agrees with its dumb twin on every filter and topic of few levels', () => {
    const anyTopicLevels = fc.array(fc.constantFrom('a', 'b', '', '$a'), { minLength: 1, maxLength: 5 })
    const anyFilterLevels = fc
      .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '$a'), { minLength: 1, maxLength: 5 }), fc.boolean())
      .map(([levels, isOpen]) => (isOpen ? [...levels, '#'] : levels))
    fc.assert(
      fc.property(anyFilterLevels, anyTopicLevels, (filter, topic) => {
        expect(topicMatches(filter.join('/'), topic.join('/'))).toBe(matches(filter, topic))
      }),
      { numRuns: 5000 * LONG_FACTOR },
    )
  })
})

function passes(run: () => void): boolean {
  try {
    run()
    return true
  } catch (error) {
    expect(error).toBeInstanceOf(GomqError)
    return false
  }
}

function catchError(run: () => void): Error {
  try {
    run()
  } catch (error) {
    return error as Error
  }
  return expect.fail('nothing was thrown')
}
