import type { Message } from '@gomq/client'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatMessage, toJson, toRow } from '../src/format.js'

interface Parts {
  readonly topic: string
  readonly bytes: Uint8Array
  readonly value: unknown
  readonly key: string | Uint8Array | null
  readonly headers: Readonly<Record<string, string | Uint8Array>> | null
}

function message(parts: Partial<Parts>): Message {
  const bytes = parts.bytes ?? new Uint8Array(0)
  return {
    topic: 'A',
    offset: 7,
    timestamp: Date.UTC(2026, 0, 31, 12),
    key: null,
    headers: null,
    value: bytes,
    ...parts,
    bytes,
  } as unknown as Message
}

const ofText = (text: string) => message({ bytes: Buffer.from(text) })
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const notUtf8 = Uint8Array.from([0xff, 0x00, 0x41])

describe('text and raw', () => {
  test('are byte for byte what was published, with and without a line feed', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(Buffer.from(formatMessage(message({ bytes }), 'raw'))).toEqual(Buffer.from(bytes))
        expect(Buffer.from(formatMessage(message({ bytes }), 'text'))).toEqual(Buffer.from([...bytes, 0x0a]))
      }),
    )
  })
})

describe('json', () => {
  test('is one line that gives text back as it was', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        const line = text(formatMessage(ofText(value), 'json'))
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(JSON.parse(line)).toEqual({ topic: 'A', offset: 7, timestamp: '2026-01-31T12:00:00.000Z', value })
      }),
    )
  })

  test('gives bytes back through base64 where they are no text', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const json = toJson(message({ bytes }))
        const back =
          'value' in json ? Buffer.from(json['value'] as string) : Buffer.from(json['valueBase64'] as string, 'base64')
        expect(back).toEqual(Buffer.from(bytes))
      }),
    )
  })

  test('a byte order mark at the start of a text stays', () => {
    expect(toJson(ofText('\ufeffa'))).toMatchObject({ value: '\ufeffa' })
  })

  test('plain data comes as such; what JSON cannot say comes as text', () => {
    const value = { id: 7, big: 2n ** 60n, bytes: notUtf8, list: [null, true] }
    expect(toJson(message({ value, bytes: notUtf8 }))).toMatchObject({
      value: { id: 7, big: '1152921504606846976', bytes: '/wBB', list: [null, true] },
    })
    expect(toJson(message({ value: null }))).toMatchObject({ value: null })
  })

  test('has key and headers where the message has them', () => {
    expect(toJson(message({ key: 'c42', headers: { trace: 'x', bin: notUtf8 } }))).toMatchObject({
      key: 'c42',
      headers: { trace: 'x', bin: 'base64:/wBB' },
    })
    expect(Object.keys(toJson(message({ headers: {} })))).not.toContain('headers')
  })
})

describe('screen', () => {
  test('shows text as lines, without anything that moves the cursor', () => {
    expect(text(formatMessage(ofText('\u001b[31mred\u0007\r\n\tnext\u007f'), 'screen'))).toBe(
      '\\u001b[31mred\\u0007\\r\n\tnext\\u007f\n',
    )
  })

  test('no control character and no reordering character of any message reaches a terminal', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (topic, value) => {
        const shown = text(formatMessage(message({ topic, bytes: Buffer.from(value) }), 'screen', true))
        expect(shown).not.toMatch(/(?![\n\t])[\p{Cc}\u202a-\u202e\u2066-\u2069]/u)
        const row = toRow(message({ topic, key: value, bytes: Buffer.from(value) }), 1000).join('')
        expect(row).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069\u2028\u2029]/u)
      }),
    )
  })

  test('emoji made of several characters stay whole', () => {
    expect(text(formatMessage(ofText('👩‍👩‍👧'), 'screen'))).toBe('👩‍👩‍👧\n')
  })

  test('shows the topic where asked, bytes as base64 and plain data as JSON', () => {
    expect(text(formatMessage(message({ topic: 'orders/eu', bytes: notUtf8 }), 'screen', true))).toBe(
      'orders/eu  base64:/wBB\n',
    )
    expect(text(formatMessage(message({ value: { id: 7 } }), 'screen'))).toBe('{"id":7}\n')
  })
})

describe('a row', () => {
  test('has offset, time, topic, key and value', () => {
    expect(toRow(message({ key: 'k', bytes: Buffer.from('a\tb') }), 100)).toEqual([
      '7',
      '2026-01-31T12:00:00.000Z',
      'A',
      'k',
      'a\\tb',
    ])
  })

  test('cuts the value to the width and marks it, never inside a character', () => {
    expect(toRow(ofText('abcdef'), 5)[4]).toBe('abcd…')
    expect(toRow(ofText('abcde'), 5)[4]).toBe('abcde')
    expect(toRow(ofText('abc😀def'), 5)[4]).toBe('abc…')
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 20 }), (value, width) => {
        const cell = toRow(ofText(value), width)[4]
        expect(cell.length).toBeLessThanOrEqual(width)
        expect(cell).not.toMatch(/\p{Surrogate}/u)
      }),
    )
  })
})
