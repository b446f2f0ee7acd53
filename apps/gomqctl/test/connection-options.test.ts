import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { connectOptionsOf, withoutSession } from '../src/connection-options.js'

function fileWith(content: string | Uint8Array): string {
  const directory = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'password')
  writeFileSync(file, content)
  return file
}

test('no flags leave every choice to the client', () => {
  expect(connectOptionsOf({})).toEqual({})
})

test('every flag reaches the client under its name', () => {
  expect(
    connectOptionsOf({
      clientId: 'c',
      username: 'u',
      password: 'p',
      keepAlive: 0,
      cleanSession: false,
      sessionExpiry: 9,
      compression: 'deflate',
      willTopic: 'w',
      willMessage: 'bye',
      willQos: 0,
      willRetain: true,
    }),
  ).toEqual({
    clientId: 'c',
    username: 'u',
    password: 'p',
    keepAliveSec: 0,
    cleanSession: false,
    sessionExpirySec: 9,
    compression: 'deflate',
    will: { topic: 'w', value: 'bye', qos: 0, retain: true },
  })
})

test('a will needs no more than a topic; its message is empty then', () => {
  expect(connectOptionsOf({ willTopic: 'w' })).toEqual({ will: { topic: 'w', value: '' } })
})

describe('the password file', () => {
  test.each([
    ['secret', 'secret'],
    ['secret\n', 'secret'],
    ['secret\r\n', 'secret'],
    ['two\nlines\n\n', 'two\nlines\n'],
    [' ü ', ' ü '],
    ['', ''],
  ])('%j holds %j', (content, password) => {
    expect(connectOptionsOf({ username: 'u', passwordFile: fileWith(content) })).toEqual({ username: 'u', password })
  })

  test('one that is not there is named, and one that is too long is not read', () => {
    expect(() => connectOptionsOf({ username: 'u', passwordFile: 'no/such/file' })).toThrow(/no\/such\/file/)
    const file = fileWith(Buffer.alloc(5000, 'x'))
    expect(() => connectOptionsOf({ username: 'u', passwordFile: file })).toThrow('more than 4096 bytes')
    expect(() => connectOptionsOf({ username: 'u', passwordFile: tmpdir() })).toThrow('cannot be read')
  })
})

test.each([
  [{ password: 'p' }, /--username or GOMQ_USERNAME/],
  [{ username: 'u', password: 'p', passwordFile: 'f' }, /use one of the two/],
  [{ cleanSession: false }, /--client-id or GOMQ_CLIENT_ID/],
  [{ willMessage: 'bye' }, /--will-topic or GOMQ_WILL_TOPIC/],
  [{ willRetain: false }, /--will-topic/],
])('%j is refused as wrong usage', (flags, said) => {
  expect(() => connectOptionsOf(flags)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringMatching(said) }),
  )
})

test('a command that only looks leaves the session as it is', () => {
  expect(withoutSession({ clientId: 'c', cleanSession: true })).toEqual({ clientId: 'c' })
})
