import { expect, test } from 'vitest'
import type { LogOptions, LogRequest } from '../src/log-request.js'
import { type Actions, buildProgram, parse } from '../src/program.js'

async function requestOf(line: string): Promise<[LogRequest, LogOptions]> {
  let seen: [LogRequest, LogOptions] | undefined
  const actions = { log: async (...given: [LogRequest, LogOptions]) => void (seen = given) } as unknown as Actions
  await parse(buildProgram(actions), line.split(' '))
  return seen!
}

test('each command comes with its directories and options, wherever they stand', async () => {
  expect(await requestOf('log verify d --live --json')).toEqual([
    { action: 'verify', directory: 'd', live: true },
    { json: true, quiet: false },
  ])
  expect((await requestOf('--apply log repair d'))[0]).toEqual({ action: 'repair', directory: 'd', apply: true })
  expect((await requestOf('log backup d t --verify'))[0]).toEqual({
    action: 'backup',
    directory: 'd',
    target: 't',
    verify: true,
  })
  expect((await requestOf('log restore b d'))[0]).toEqual({ action: 'restore', backup: 'b', directory: 'd' })
  expect((await requestOf('--from 3 log --to 9 dump d -t a/# --values none'))[0]).toEqual({
    action: 'dump',
    directory: 'd',
    topics: ['a/#'],
    from: 3,
    to: 9,
    values: 'none',
  })
})
