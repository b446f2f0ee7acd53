import { describe, expect, test } from 'vitest'
import { changed, listText, showText } from '../../src/commands/context.js'
import type { ContextSettings, Contexts } from '../../src/context-file.js'

const contexts: Contexts = {
  current: 'prod',
  byName: new Map<string, ContextSettings>([
    ['prod', { connect: 'gomq://a:1', topic: ['x', 'y\n'], password: 'secret' }],
    ['test', { qos: '1' }],
  ]),
}
const names = ({ byName }: Contexts) => [...byName.keys()]

describe('changes', () => {
  test('a context is added, and put in the place of another only if that is asked for', () => {
    const settings = { qos: '2' }
    const added = changed(contexts, { action: 'add', name: 'new', settings, replace: false })
    expect([added.current, names(added)]).toEqual(['prod', ['prod', 'test', 'new']])
    expect(() => changed(contexts, { action: 'add', name: 'test', settings, replace: false })).toThrow('--replace')
    expect(changed(contexts, { action: 'add', name: 'test', settings, replace: true }).byName.get('test')).toBe(
      settings,
    )
    expect(() => changed(contexts, { action: 'add', name: 'e', settings: {}, replace: false })).toThrow('none is given')
    const both = { password: 'p', 'password-file': '/f' }
    expect(() => changed(contexts, { action: 'add', name: 'e', settings: both, replace: false })).toThrow(
      'one of the two',
    )
    expect(() => changed(contexts, { action: 'add', name: '../e', settings, replace: false })).toThrow('is no name')
  })

  test('one or none is in use', () => {
    expect(changed(contexts, { action: 'use', name: 'test' }).current).toBe('test')
    expect(changed(contexts, { action: 'use', name: undefined }).current).toBeUndefined()
    expect(() => changed(contexts, { action: 'use', name: 'x' })).toThrow('there are: prod, test')
  })

  test('one that is removed is no longer in use', () => {
    const without = changed(contexts, { action: 'remove', name: 'prod' })
    expect([without.current, names(without)]).toEqual([undefined, ['test']])
    expect(changed(contexts, { action: 'remove', name: 'test' }).current).toBe('prod')
    expect(() => changed(contexts, { action: 'remove', name: 'x' })).toThrow('there is no context "x"')
  })
})

test('the list says which is in use: a table, fields, or JSON', () => {
  expect(listText(contexts, true, false)).toBe('NAME  IN USE  CONNECT\nprod  yes     a:1\ntest  no\n')
  expect(listText(contexts, false, false)).toBe('prod\tyes\ta:1\ntest\tno\t\n')
  expect(listText(contexts, true, true).split('\n')[1]).toBe('{"name":"test","inUse":false,"connect":null}')
  expect(listText({ current: undefined, byName: new Map() }, true, false)).toBe('')
})

test('a context is shown without its password', () => {
  expect(showText(contexts, 'prod', false)).toBe('connect\ta:1\ntopic\tx y\\n\npassword\t(kept, not shown)\n')
  expect(JSON.parse(showText(contexts, 'prod', true))).toEqual({
    name: 'prod',
    inUse: true,
    hasPassword: true,
    options: { connect: 'gomq://a:1', topic: ['x', 'y\n'] },
  })
  for (const isJson of [true, false]) expect(showText(contexts, 'prod', isJson)).not.toContain('secret')
  expect(() => showText(contexts, 'x', false)).toThrow('there is no context')
})
