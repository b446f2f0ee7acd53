import { describe, expect, test } from 'vitest'
import { checkTemplate, renderTemplate, type TemplateSources } from '../src/template.js'

const sources: TemplateSources = { nowMs: () => 0, uuid: () => 'U', random: (length) => 'r'.repeat(length) }

test.each([
  ['', ''],
  ['no placeholder {n} }}', 'no placeholder {n} }}'],
  ['{{n}}', '7'],
  ['{"n":{{n}},"at":"{{time}}"}', '{"n":7,"at":"1970-01-01T00:00:00.000Z"}'],
  ['{{uuid}}/{{random:3}}{{n}}', 'U/rrr7'],
  ['ü{{n}}€😀', 'ü7€😀'],
])('%s becomes %s, as text and as bytes', (template, message) => {
  expect(renderTemplate(template, 7, sources)).toBe(message)
  expect(renderTemplate(new TextEncoder().encode(template), 7, sources)).toEqual(Buffer.from(message))
})

test('bytes that are no text stay as they are', () => {
  const template = Buffer.concat([Buffer.from([0xff, 0, 0x80]), Buffer.from('{{n}}'), Buffer.from([0xfe])])
  expect(renderTemplate(template, 12, sources)).toEqual(Buffer.from([0xff, 0, 0x80, 0x31, 0x32, 0xfe]))
})

test('each message has other random values', () => {
  const made = Array.from({ length: 100 }, (_, i) => renderTemplate('{{uuid}} {{random:21}}', i))
  expect(new Set(made).size).toBe(100)
  for (const message of made) expect(message).toMatch(/^[0-9a-f-]{36} [\w-]{21}$/)
  for (const length of [1, 2, 3, 4, 5, 1_000_000])
    expect(renderTemplate(`{{random:${length}}}`, 1)).toHaveLength(length)
})

describe('what is no placeholder is refused', () => {
  test.each([
    ['{{x}}', '"{{x}}" is no placeholder; there are {{n}}, {{time}}, {{uuid}} and {{random:N}}, N from 1 to 1000000'],
    ['{{ n }}', '"{{ n }}" is no'],
    ['{{N}}', '"{{N}}" is no'],
    ['{{}}', '"{{}}" is no'],
    ['a {{n', '"{{n" is no'],
    ['{{random}}', '"{{random}}" is no'],
    ['{{random:0}}', '"{{random:0}}" is no'],
    ['{{random:1000001}}', '"{{random:1000001}}" is no'],
    ['{{ü}}', '"{{ü}}" is no'],
    [`{{${'x'.repeat(100)}}}`, `"{{${'x'.repeat(38)}…" is no`],
  ])('%s', (template, said) => {
    expect(() => checkTemplate(template)).toThrow(said)
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(said) })
    if (!said.includes('…')) expect(() => renderTemplate(Buffer.from(template), 1)).toThrow(refused)
  })
})
