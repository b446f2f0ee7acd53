import { expect, test } from 'vitest'
import { parseOptions, repeatable } from '../src/options.js'
import { PEER_NAMES, systemsFor } from '../src/systems/all.js'

test('several sizes of messages, and peers by name', () => {
  const options = parseOptions(['--message-bytes', '100,1024', '--peers', 'nats,redis'])
  expect(options.messageBytes).toEqual([100, 1024])
  expect(options.peers).toEqual(['nats', 'redis'])
})

test('by default the size that others use and 1 KiB are measured, about three seconds each', () => {
  const { messageBytes, seconds } = parseOptions([])
  expect([messageBytes, seconds]).toEqual([[100, 1024], 3])
})

test('no peers are none, and by default all', () => {
  expect(parseOptions(['--peers', 'none']).peers).toEqual([])
  expect(parseOptions([]).peers).toBeUndefined()
})

test.each([
  ['--messages', 'many', '--messages'],
  ['--message-bytes', '8', 'from 16 on'],
  ['--runs', '0', 'from 1 on'],
  ['--compression', 'zip', 'none or deflate'],
])('%s %s is refused with what would do', (option, value, hint) => {
  expect(() => parseOptions([option, value])).toThrow(hint)
})

test('the beginning of a name means all that begin so; floor and gomq are always there', async () => {
  expect((await systemsFor(['redis'])).map(({ name }) => name)).toEqual([
    'floor',
    'gomq',
    'redis-always',
    'redis-everysec',
  ])
  expect((await systemsFor([])).map(({ name }) => name)).toEqual(['floor', 'gomq'])
  await expect(systemsFor(['kafka'])).rejects.toThrow(`one of: ${PEER_NAMES.join(', ')}`)
})

test('every system has the name under which it is found', async () => {
  const names = (await systemsFor(PEER_NAMES)).map(({ name }) => name)
  expect(names).toEqual(['floor', 'gomq', ...PEER_NAMES])
})

test('what a page says about its run names no file of the machine', () => {
  expect(repeatable(['--report', '--json', '/here/a.json', '--runs', '3', '--data-dir=/there'])).toEqual([
    '--report',
    '--runs',
    '3',
  ])
})
