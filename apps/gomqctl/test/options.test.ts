import { InvalidArgumentError } from 'commander'
import { describe, expect, test } from 'vitest'
import {
  oneTopic,
  parseAddresses,
  parseCount,
  parseDurationMs,
  parseFlag,
  parseFrom,
  parseHeader,
  parseHttpAddress,
  parseKeepAlive,
  parseQos,
  parseSessionExpiry,
  parseTopicFilter,
  parseTopicName,
  parseTtlMs,
  withoutScheme,
} from '../src/options.js'

describe('--connect', () => {
  test.each([
    ['127.0.0.1:9000', ['gomq://127.0.0.1:9000']],
    ['localhost', ['gomq://localhost:9000']],
    ['a:1,b:2 , c', ['gomq://a:1', 'gomq://b:2', 'gomq://c:9000']],
    ['[::1]:9100', ['gomq://[::1]:9100']],
    ['[::1]', ['gomq://[::1]:9000']],
    ['gomq://host:1', ['gomq://host:1']],
    ['gomqs://host/', ['gomqs://host:9000']],
    ['my-host.example.org:65535', ['gomq://my-host.example.org:65535']],
  ])('%s names %j', (text, urls) => {
    expect(parseAddresses(text)).toEqual(urls)
  })

  test.each([
    '',
    ',',
    'a,',
    '9000',
    ':9000',
    'a:0',
    'a:65536',
    'a:b',
    'http://a:1',
    'a b',
    'user@host:1',
    '::1',
    'a:1/x',
  ])("'%s' is refused with what to write instead", (text) => {
    expect(() => parseAddresses(text)).toThrow(InvalidArgumentError)
    expect(() => parseAddresses(text)).toThrow('use host:port, such as 127.0.0.1:9000')
  })

  test('an address is shown as people write it', () => {
    expect(withoutScheme('gomq://a:1')).toBe('a:1')
    expect(withoutScheme('gomqs://a:1')).toBe('gomqs://a:1')
  })
})

describe('--http', () => {
  test.each([
    ['127.0.0.1:8000', 'http://127.0.0.1:8000'],
    ['localhost', 'http://localhost:8000'],
    ['[::1]', 'http://[::1]:8000'],
    ['http://broker:81/', 'http://broker:81'],
    ['https://broker', 'https://broker:443'],
  ])('%s is %s', (text, url) => {
    expect(parseHttpAddress(text)).toBe(url)
  })

  test.each(['', '8000', ':8000', 'a:0', 'a:65536', 'gomq://a:1', 'a b', 'user@a:1', 'a:1/x', 'a?x', '::1'])(
    "'%s' is refused",
    (text) => {
      expect(() => parseHttpAddress(text)).toThrow('Use host:port, such as 127.0.0.1:8000.')
    },
  )
})

describe('--qos', () => {
  test('0, 1 and 2 are levels', () => {
    expect([parseQos('0'), parseQos('1'), parseQos('2')]).toEqual([0, 1, 2])
  })

  test.each(['3', '', 'one', '01', '1.0'])("'%s' is refused", (text) => {
    expect(() => parseQos(text)).toThrow(/Use 0, 1 or 2/)
  })
})

describe('--retain', () => {
  test('0, 1, true and false are switches', () => {
    expect(['0', '1', 'false', 'true'].map(parseFlag)).toEqual([false, true, false, true])
  })

  test.each(['2', '', 'yes'])("'%s' is refused", (text) => {
    expect(() => parseFlag(text)).toThrow('Use 0 or 1')
  })
})

describe('--count', () => {
  test.each([
    ['1', 1],
    ['100000', 100_000],
  ])('%s is a count', (text, count) => {
    expect(parseCount(text)).toBe(count)
  })

  test.each(['0', '-1', '1.5', '', '1e3', ' 1', '9999999999999999'])("'%s' is refused", (text) => {
    expect(() => parseCount(text)).toThrow('whole number from 1')
  })
})

describe('--timeout', () => {
  test.each([
    ['500ms', 500],
    ['10s', 10_000],
    ['10', 10_000],
    ['1.5m', 90_000],
    ['1h', 3_600_000],
  ])('%s is %s milliseconds', (text, timeMs) => {
    expect(parseDurationMs(text)).toBe(timeMs)
  })

  test.each(['', 'soon', '24d', '-1s', 's', '1 s', '1e3'])("'%s' is refused", (text) => {
    expect(() => parseDurationMs(text)).toThrow('Use a number with a unit')
  })

  test('a time that no timer can hold is refused, not taken as none', () => {
    expect(parseDurationMs('596h')).toBe(596 * 3_600_000)
    expect(() => parseDurationMs('597h')).toThrow('596h')
  })
})

describe('--keep-alive', () => {
  test.each([
    ['0', 0],
    ['30', 30],
    ['65535', 65_535],
  ])('%s is seconds', (text, seconds) => {
    expect(parseKeepAlive(text)).toBe(seconds)
  })

  test.each(['', '-1', '65536', '1.5', '30s'])("'%s' is refused", (text) => {
    expect(() => parseKeepAlive(text)).toThrow('Use seconds, 0 to 65535.')
  })
})

describe('--session-expiry', () => {
  test.each([
    ['0', 0],
    ['3600', 3600],
    ['90m', 5400],
    ['7d', 604_800],
    ['4294967295', 0xffff_ffff],
  ])('%s is %i seconds, more than a timer holds', (text, seconds) => {
    expect(parseSessionExpiry(text)).toBe(seconds)
  })

  test.each([
    ['', 'Use a number with a unit'],
    ['soon', 'Use a number with a unit'],
    ['4294967296', 'at most 49710d'],
    ['500ms', 'whole seconds'],
  ])("'%s' is refused", (text, said) => {
    expect(() => parseSessionExpiry(text)).toThrow(said)
  })
})

describe('--ttl', () => {
  test.each([
    ['1ms', 1],
    ['10', 10_000],
    ['1.5s', 1500],
    ['597h', 597 * 3_600_000],
    ['36500d', 36_500 * 86_400_000],
  ])('%s is %i milliseconds, more than a timer holds', (text, timeMs) => {
    expect(parseTtlMs(text)).toBe(timeMs)
  })

  test.each([
    ['0', 'at least 1ms'],
    ['0.5ms', 'whole milliseconds'],
    ['36501d', 'at most 36500d'],
    ['soon', 'Use a number with a unit'],
    ['1e3', 'Use a number with a unit'],
  ])("'%s' is refused", (text, said) => {
    expect(() => parseTtlMs(text)).toThrow(said)
  })
})

describe('--from', () => {
  test.each([
    ['new', 'new'],
    ['earliest', 'earliest'],
    ['0', { offset: 0 }],
    ['42', { offset: 42 }],
    ['2026-01-31T12:00:00Z', { time: Date.UTC(2026, 0, 31, 12) }],
    ['2026-01-31', { time: Date.UTC(2026, 0, 31) }],
    ['2026-01-31 12:00:00.250+01:00', { time: Date.UTC(2026, 0, 31, 11, 0, 0, 250) }],
  ])('%s is a start', (text, from) => {
    expect(parseFrom(text)).toEqual(from)
  })

  test.each(['yesterday', '', '-1', 'May 5', '2026-13-01', '1960-01-01T00:00:00Z', '99999999999999999999'])(
    "'%s' is refused",
    (text) => {
      expect(() => parseFrom(text)).toThrow("Use 'new', 'earliest'")
    },
  )
})

describe('--header', () => {
  test('headers add up; a value may hold an equals sign and may be empty', () => {
    expect({ ...parseHeader('c=', parseHeader('b=x=y', parseHeader('a=1'))) }).toEqual({ a: '1', b: 'x=y', c: '' })
  })

  test('a name can be one that objects have already', () => {
    expect(Object.keys(parseHeader('__proto__=x'))).toEqual(['__proto__'])
  })

  test.each(['a', '=b', ''])("'%s' is refused", (text) => {
    expect(() => parseHeader(text)).toThrow('Use name=value')
  })
})

describe('--topic', () => {
  test('filters add up in the order they are given', () => {
    expect(parseTopicFilter('b/#', parseTopicFilter('a'))).toEqual(['a', 'b/#'])
  })

  test("what is no filter is refused with the protocol's words", () => {
    expect(() => parseTopicFilter('')).toThrow(InvalidArgumentError)
    expect(() => parseTopicFilter('a/#/b')).toThrow("'#' must be the whole last level, as in 'a/#'")
  })

  test('the topic of a will is a name', () => {
    expect(parseTopicName('a/b')).toBe('a/b')
    expect(() => parseTopicName('a/#')).toThrow(InvalidArgumentError)
  })

  test('a command that takes one topic refuses none and several, and says what to do', () => {
    expect(oneTopic({ topic: ['a'] })).toBe('a')
    expect(() => oneTopic({ topic: [] })).toThrow('--topic or GOMQ_TOPIC')
    expect(() => oneTopic({ topic: ['a', 'b'] })).toThrow('2 are given')
    const wildcard = expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('a wildcard'),
    })
    expect(() => oneTopic({ topic: ['a/#'] })).toThrow(wildcard)
  })
})
