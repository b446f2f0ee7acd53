import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { type GomqctlOptions, type GomqctlResult, gomqctl } from './support/gomqctl.js'

const NOBODY = { tcp: '127.0.0.1:1' }
const log = (args: readonly string[], options?: GomqctlOptions): Promise<GomqctlResult> =>
  gomqctl(NOBODY, ['log', ...args], options)

function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'gomqctl-log-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

/** Changes one byte of the message's value in the only segment. */
function damageMessage(directory: string, value: string): void {
  const file = join(directory, 'log', readdirSync(join(directory, 'log')).find((name) => name.endsWith('.log'))!)
  const bytes = readFileSync(file)
  bytes[bytes.indexOf(value)]! ^= 1
  writeFileSync(file, bytes)
}

const offsetsOf = ({ stdout }: GomqctlResult) => stdout.split('\n').flatMap((line) => line.split('\t')[0] || [])

test('a backup is made beside the broker that writes, restored, and a broker starts on it with every message', async () => {
  await using broker = await BrokerProcess.start()
  for (const topic of ['a', 'b']) await gomqctl(broker, ['-t', topic, '-q', '1', 'pub', 'one', 'two'])
  const folder = newDirectory()
  const backup = join(folder, 'backup')
  const made = await log(['backup', broker.dataDirectory, backup, '--verify', '--json'])
  expect(made).toMatchObject({ code: 0, stderr: expect.stringContaining('read again') })
  expect(JSON.parse(made.stdout)).toMatchObject({ logStartOffset: 0, logEndOffset: 5 })
  expect(await log(['backup', broker.dataDirectory, backup])).toMatchObject({
    code: 64,
    stderr: expect.stringContaining('is not empty'),
  })
  const restored = join(folder, 'restored')
  expect(await log(['restore', backup, restored])).toMatchObject({ code: 0, stdout: '' })
  expect(await log(['verify', restored])).toMatchObject({
    code: 0,
    stdout: '',
    stderr: expect.stringContaining('clean'),
  })
  await using second = await BrokerProcess.start({ args: ['--data-dir', restored] })
  const listed = await gomqctl(second, ['list'])
  expect(listed.stdout.split('\n').map((line) => line.split('\t').slice(2).join(' '))).toEqual([
    'a  one',
    'a  two',
    'b  one',
    'b  two',
    '',
  ])
})

test('damage is named, repaired but for what is damaged, and the broker starts again', async () => {
  await using broker = await BrokerProcess.start()
  for (const value of ['first', 'second', 'third']) await gomqctl(broker, ['-t', 'a', '-q', '1', 'pub', value])
  expect(await log(['verify', broker.dataDirectory])).toMatchObject({
    code: 75,
    stderr: expect.stringContaining(`is used by process ${broker.pid}`),
  })
  await broker.kill()
  damageMessage(broker.dataDirectory, 'second')

  const verified = await log(['verify', broker.dataDirectory])
  expect(verified.code).toBe(65)
  expect(verified.stdout).toMatch(/^damage\tlog\/0{20}\.log\t\d+\.\.\d+\t2\.\.3\t\t\tdamaged batches\n$/)
  const table = await log(['verify', broker.dataDirectory], { isTerminal: true })
  expect(table.stdout).toMatch(/^SEVERITY +FILE +BYTES +OFFSETS/)
  const json = await log(['verify', broker.dataDirectory, '--json'])
  expect(
    json.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toMatchObject([
    { severity: 'damage', offsets: [2, 3] },
    { isDamaged: true, records: 3 },
  ])
  await expect(broker.restart()).rejects.toThrow(`gomqctl log repair ${broker.dataDirectory}`)
  expect(await log(['backup', broker.dataDirectory, join(newDirectory(), 'x')])).toMatchObject({ code: 65 })

  const dumped = await log(['dump', broker.dataDirectory])
  expect([dumped.code, offsetsOf(dumped)]).toEqual([65, ['1', '3']])
  expect(dumped.stderr).toContain('offsets 2 to 3 cannot be read')
  expect((await log(['repair', broker.dataDirectory])).stdout).toMatch(
    /^do\t.*\ndo\t.*\nlost\t.*offsets 2\.\.3.*\nthen\t/,
  )
  expect(readdirSync(broker.dataDirectory).some((name) => name.startsWith('repaired-'))).toBe(false)
  expect(await log(['repair', broker.dataDirectory, '--apply'])).toMatchObject({ code: 0 })
  expect(readdirSync(broker.dataDirectory).some((name) => name.startsWith('repaired-'))).toBe(true)
  expect(await log(['verify', broker.dataDirectory])).toMatchObject({ code: 0 })
  expect(await log(['repair', broker.dataDirectory])).toMatchObject({ code: 0, stdout: '' })
  await broker.restart()
  expect(offsetsOf(await gomqctl(broker, ['list']))).toEqual(['1', '3'])
  await gomqctl(broker, ['-t', 'a', '-q', '1', 'pub', 'fourth'])
  expect((await gomqctl(broker, ['list'])).stdout).toContain('fourth')
})

test('a dump shows messages, batches and control records, in part or whole', async () => {
  await using broker = await BrokerProcess.start()
  await gomqctl(broker, ['-t', 'a', '-q', '1', '-k', 'k', 'pub', 'one', 'two'])
  await gomqctl(broker, ['-t', 'b', '-q', '1', 'pub', 'three'])
  const dump = (...args: string[]) => log(['dump', broker.dataDirectory, '--live', ...args])
  const fields = ({ stdout }: GomqctlResult) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
  expect(fields(await dump()).map((each) => [each[0], ...each.slice(2)])).toEqual([
    ['1', 'a', 'k', 'one'],
    ['2', 'a', 'k', 'two'],
    ['3', 'b', '', 'three'],
  ])
  expect(offsetsOf(await dump('--from', '2', '--to', '3'))).toEqual(['2'])
  expect(offsetsOf(await dump('-t', 'b'))).toEqual(['3'])
  expect(fields(await dump('--values', 'base64'))[0]![4]).toBe(Buffer.from('one').toString('base64'))
  expect(fields(await dump('--values', 'none'))[0]).toHaveLength(4)
  expect(JSON.parse((await dump('--json', '--from', '3')).stdout)).toMatchObject({
    topic: 'b',
    offset: 3,
    value: 'three',
  })
  expect(fields(await dump('--control'))).toEqual([['0', '1', '1', '[1,"gomq-1"]']])
  expect(fields(await dump('--batches')).map((each) => each.slice(0, 2).join())).toEqual(['0,1', '1,3', '3,4'])
})

test('a directory that is none, and a file that the system refuses, end with words and no stack', async () => {
  const folder = newDirectory()
  expect(await log(['verify', join(folder, 'none')])).toMatchObject({
    code: 64,
    stderr: expect.not.stringContaining('at '),
  })
  expect(await log(['restore', folder, join(folder, 'x')])).toMatchObject({
    code: 64,
    stderr: expect.stringMatching(/no complete backup/),
  })
  writeFileSync(join(folder, 'file'), '')
  expect(await log(['verify', join(folder, 'file')])).toMatchObject({
    code: 74,
    stderr: expect.stringContaining('ENOTDIR'),
  })
})
