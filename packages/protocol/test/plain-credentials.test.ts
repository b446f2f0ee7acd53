import { decodePlainCredentials, encodePlainCredentials } from '@gomq/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

const word = (minLength: number) =>
  fc.string({ unit: 'grapheme', minLength, maxLength: 40 }).filter((text) => !text.includes('\0'))

describe('plain credentials', () => {
  test('[RFC4616-2] are a NUL, the user name, a NUL and the password', () => {
    expect(Buffer.from(encodePlainCredentials({ username: 'tim', password: 'tanstaaftanstaaf' })).toString()).toBe(
      '\0tim\0tanstaaftanstaaf',
    )
  })

  test('come back as they went', () => {
    fc.assert(
      fc.property(word(1), word(0), (username, password) => {
        expect(decodePlainCredentials(encodePlainCredentials({ username, password }))).toEqual({ username, password })
      }),
    )
  })

  test.each([
    ['no NUL', 'tim'],
    ['one NUL', '\0tim'],
    ['an authorization identity', 'x\0tim\0secret'],
    ['three NULs', '\0tim\0sec\0ret'],
    ['an empty user name', '\0\0secret'],
    ['a long password', `\0tim\0${'s'.repeat(1025)}`],
  ])('%s is refused without repeating the secret', (_what, text) => {
    const decode = () => decodePlainCredentials(Buffer.from(text))
    expect(decode).toThrow(expect.objectContaining({ code: 'AUTH_FAILED' }))
    expect(decode).not.toThrow(/secret|sec|sss/)
  })

  test('bytes that are no UTF-8 are refused', () => {
    expect(() => decodePlainCredentials(new Uint8Array([0, 0xff, 0, 0x61]))).toThrow(
      expect.objectContaining({ code: 'AUTH_FAILED' }),
    )
  })

  test('a name or password that cannot be carried is refused before it is sent', () => {
    expect(() => encodePlainCredentials({ username: '', password: 'x' })).toThrow('the user name must have')
    expect(() => encodePlainCredentials({ username: 'a\0b', password: 'x' })).toThrow('no NUL')
    expect(() => encodePlainCredentials({ username: 'a', password: 'x'.repeat(1025) })).toThrow('the password must')
  })
})
