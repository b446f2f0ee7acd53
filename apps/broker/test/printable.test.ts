import { expect, test } from 'vitest'
import { printable } from '../src/printable.js'

test('control characters, line breaks and direction marks are escaped', () => {
  expect(printable('a\r\nb\u001b[31m\u0085\u202e\u2028é')).toBe('a\\u{d}\\u{a}b\\u{1b}[31m\\u{85}\\u{202e}\\u{2028}é')
})

test('text is cut at 256 bytes, between characters', () => {
  expect(printable('é'.repeat(200))).toBe(`${'é'.repeat(128)}…`)
  expect(printable('x'.repeat(256))).toBe('x'.repeat(256))
})
