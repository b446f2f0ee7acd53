import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'

const page = readFileSync(new URL('../../docs/reference/gomqctl.md', import.meta.url), 'utf8')
const BIN = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url))

/** Commands of the page with the output that it shows for each. */
function examplesOf(markdown: string): { command: string; output: string }[] {
  const examples: { command: string; output: string }[] = []
  for (const [, block] of markdown.matchAll(/^```console\n(.*?)^```/gms))
    for (const line of block!.trimEnd().split('\n')) {
      if (line.startsWith('$ ')) examples.push({ command: line.slice(2), output: '' })
      else examples.at(-1)!.output += `${line}\n`
    }
  return examples
}

/** Everything that the command writes, as a terminal would show it. */
async function outputOf(command: string, environment: Readonly<Record<string, string>>): Promise<string> {
  const child = spawn('sh', ['-c', `{ ${command}\n} 2>&1`], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()))
  await once(child, 'close')
  return output
}

test('docs/reference/gomqctl.md: every example prints what the page shows', async () => {
  await using broker = await BrokerProcess.start()
  const configHome = mkdtempSync(join(tmpdir(), 'gomqctl-'))
  onTestFinished(() => rmSync(configHome, { recursive: true }))
  const environment = {
    GOMQ_CONNECT: broker.tcp,
    GOMQ_HTTP: broker.httpUrl,
    GOMQ_DATA_DIR: broker.dataDirectory,
    XDG_CONFIG_HOME: configHome,
    PATH: `${BIN}${delimiter}${process.env['PATH']}`,
  }
  const examples = examplesOf(page)
  expect(examples.length).toBeGreaterThan(10)
  for (const { command, output } of examples) {
    const here = command.replace('127.0.0.1:9000', broker.tcp).replace('127.0.0.1:8000', broker.httpUrl)
    expect((await outputOf(here, environment)).trimEnd(), command).toBe(output.trimEnd())
  }
})
