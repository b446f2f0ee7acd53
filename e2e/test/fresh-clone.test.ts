import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { copySources } from './support/copy-sources.js'
import { finish } from './support/packed-project.js'

test('in a fresh clone `npm start` runs a broker that `npx gomqctl` reaches, and SIGTERM to npm stops it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gomq-clone-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const clone = join(directory, 'gomq')
  copySources(clone)
  const flags = ['--data-dir', join(directory, 'data'), '--tcp', '127.0.0.1:0', '--http', 'off']
  const npm = spawn('npm', ['start', '--silent', '--', ...flags], { cwd: clone, stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  npm.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const lines = createInterface({ input: npm.stdout })
  const exited = new Promise((resolve) => lines.once('close', resolve))
  const ready = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve)
    npm.once('exit', (code) => reject(new Error(`npm start ended with ${code}:\n${stderr}`)))
  })
  expect(ready).toMatch(/^gomq ready tcp=\S+ http=off$/)
  const tcp = /tcp=(\S+)/.exec(ready)![1]!
  const gomqctl = (...args: string[]) =>
    finish('npx', ['--no-install', 'gomqctl', '--connect', tcp, '--topic', 'A', '--qos', '1', ...args], clone)
  expect(await gomqctl('pub', 'hello')).toMatchObject({ code: 0 })
  expect(await gomqctl('sub', '--from', 'earliest', '--count', '1')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('hello'),
  })
  npm.kill('SIGTERM')
  // The broker has this pipe open until it is gone.
  await exited
  expect(stderr).toContain('"msg":"stopped"')
})
