import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { finish } from './support/packed-project.js'

const folder = fileURLToPath(new URL('../../packages/storage', import.meta.url))

test('the example in the README of @gomq/storage prints what its comments say', async () => {
  const example = /```js\n([\s\S]*?)```/.exec(readFileSync(`${folder}/README.md`, 'utf8'))![1]!
  const expected = [...example.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map((match) => match[1])
  expect(expected.length).toBeGreaterThan(1)
  const directory = mkdtempSync(join(tmpdir(), 'gomq-readme-'))
  try {
    const ran = await finish(process.execPath, ['--input-type=module', '-', directory], folder, example)
    expect(ran).toEqual({ code: 0, stdout: `${expected.join('\n')}\n`, stderr: '' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
