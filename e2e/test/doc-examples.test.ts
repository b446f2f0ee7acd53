import { spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { BrokerProcess } from './support/broker-process.js'
import { blocksOf, commandsOf, type DocBlock, type DocCommand, printsOf } from './support/doc-blocks.js'
import { docPages, readPage } from './support/doc-pages.js'
import { LinkedProject } from './support/linked-project.js'
import { finish } from './support/packed-project.js'

/** Languages of blocks that are for reading. What a program could run is written as js, ts or sh, so that it is found here. */
const READ_ONLY = ['', 'json', 'toml', 'yaml', 'text']
/** Transcripts, with what is printed, and who runs them: `gomqctl-reference.test.ts`. */
const TRANSCRIPTS = 'docs/reference/gomqctl.md'
/** Time for one module or command. */
const RUN_MS_MAX = 30_000
/** How long a command that waits for messages must have waited to be believed. */
const WAIT_MS = 1_500

const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const pages = docPages().map((path) => ({ path, blocks: blocksOf(readPage(path)) }))
const ran = { js: 0, sh: 0, ts: 0 }
const notRun: string[] = []

afterAll(() => {
  const list = notRun.map((reason) => `\n  not run: ${reason}`).join('')
  process.stdout.write(`doc examples: ${ran.js} js and ${ran.sh} commands ran, ${ran.ts} ts compiled${list}\n`)
})

/** The blocks of one language that are not opted out; those that are get counted. */
function runnable(page: (typeof pages)[number], language: string): DocBlock[] {
  const blocks = page.blocks.filter((block) => block.language === language)
  for (const block of blocks) if (block.notRun !== undefined) notRun.push(`${page.path}:${block.line}: ${block.notRun}`)
  return blocks.filter((block) => block.notRun === undefined)
}

/** A page names the default ports; here they may be taken by somebody. */
function onPortsOf(broker: BrokerProcess, text: string): string {
  return text
    .replace(/\b(127\.0\.0\.1|localhost):9000\b/g, broker.tcp)
    .replace(/\b(127\.0\.0\.1|localhost):8000\b/g, broker.httpUrl.replace('http://', ''))
}

async function runModule(path: string, block: DocBlock, project: LinkedProject, broker: BrokerProcess): Promise<void> {
  const file = join(project.directory, `example-${block.line}.mjs`)
  writeFileSync(file, onPortsOf(broker, block.text))
  const outcome = await run([process.execPath, file], project, broker, RUN_MS_MAX)
  const hint = `${path}:${block.line}`
  expect({ hint, ...outcome }, outcome.stderr).toMatchObject({ hint, code: 0, stderr: '' })
  const lines = outcome.stdout.split('\n')
  for (const print of printsOf(block.text)) expect(lines, `${hint} prints what its comment says`).toContain(print)
  ran.js++
}

async function runCommand(path: string, command: DocCommand, project: LinkedProject, broker: BrokerProcess) {
  const hint = `${path}:${command.line}: ${command.text}`
  if (command.notRun !== undefined) {
    notRun.push(`${path}:${command.line}: ${command.notRun}`)
    return
  }
  const waits = /\bsub\b/.test(command.text) && !/--(count|timeout|exit-at-end)\b|\s-[nW]\b/.test(command.text)
  const text = onPortsOf(broker, command.text)
  const outcome = await run(['sh', '-c', text], project, broker, waits ? WAIT_MS : RUN_MS_MAX)
  if (waits) expect({ hint, ...outcome }).toMatchObject({ hint, code: 'timeout', stderr: '' })
  else expect({ hint, ...outcome }, outcome.stderr).toMatchObject({ hint, code: 0 })
  ran.sh++
}

/** Runs a program in a process group of its own, and ends the group if it takes too long. */
function run(
  [file = '', ...args]: string[],
  project: LinkedProject,
  broker: BrokerProcess,
  msMax: number,
): Promise<{ code: number | 'timeout' | null; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    PATH: project.bin + delimiter + process.env['PATH'],
    GOMQ_CONNECT: broker.tcp,
    GOMQ_DATA_DIR: broker.dataDirectory,
    npm_config_yes: 'false',
    npm_config_offline: 'true',
    npm_config_update_notifier: 'false',
  }
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: project.directory,
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    let isLate = false
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    const timer = setTimeout(() => {
      isLate = true
      process.kill(-child.pid!, 'SIGKILL')
    }, msMax)
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code: isLate ? 'timeout' : code, stdout, stderr })
    })
  })
}

test('every block is in a language that runs here or that is for reading', () => {
  for (const { path, blocks } of pages)
    for (const { language, line } of blocks)
      if (language !== 'console' || path !== TRANSCRIPTS)
        expect(['js', 'ts', 'sh', ...READ_ONLY], `${path}:${line} is marked '${language}'`).toContain(language)
})

test('every block of JSON is JSON', () => {
  for (const { path, blocks } of pages)
    for (const { language, line, text } of blocks)
      if (language === 'json') expect(() => JSON.parse(text), `${path}:${line}`).not.toThrow()
})

describe('examples run as they stand', () => {
  const isForUs = (block: DocBlock) =>
    block.language === 'js' || (block.language === 'sh' && block.text.includes('gomqctl'))
  test.each(pages.filter(({ blocks }) => blocks.some(isForUs)))('in $path', async (page) => {
    const js = runnable(page, 'js')
    const sh = runnable(page, 'sh').filter(isForUs)
    await using broker = await BrokerProcess.start()
    using project = new LinkedProject()
    for (const block of [...js, ...sh].sort((a, b) => a.line - b.line)) {
      if (block.language === 'js') await runModule(page.path, block, project, broker)
      else for (const command of commandsOf(block)) await runCommand(page.path, command, project, broker)
    }
  })

  test('and those of README.md are among them', () => {
    expect(pages[0]!.path).toBe('README.md')
    expect(pages[0]!.blocks.filter((block) => isForUs(block) && block.notRun === undefined).length).toBeGreaterThan(1)
  })
})

test('every example in TypeScript compiles with the strictest options', async () => {
  using project = new LinkedProject()
  const examples = pages.flatMap((page) => runnable(page, 'ts').map((block) => ({ path: page.path, block })))
  mkdirSync(join(project.directory, 'src'))
  writeFileSync(join(project.directory, 'package.json'), '{"type":"module"}')
  writeFileSync(join(project.directory, 'src/none.ts'), 'export {}\n')
  for (const { path, block } of examples)
    writeFileSync(join(project.directory, 'src', `${path.replaceAll('/', '_')}_${block.line}.ts`), block.text)
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: 'nodenext',
    types: ['node'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    noImplicitOverride: true,
    verbatimModuleSyntax: true,
    noEmit: true,
  }
  writeFileSync(join(project.directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['src'] }))
  expect(await finish(process.execPath, [tsc, '-p', '.'], project.directory)).toEqual({
    code: 0,
    stdout: '',
    stderr: '',
  })
  ran.ts = examples.length
})
