#!/usr/bin/env node
// The commands of the root package.json. Needs only Node and npm: it installs and builds what is missing or stale.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const [command = '', ...args] = process.argv.slice(2)
const env = {
  ...process.env,
  PATH: join(root, 'node_modules', '.bin') + delimiter + process.env.PATH,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
}

const commands = {
  start: () => {
    build(['--filter=@gomq/broker'])
    become('node', [join(root, 'apps/broker/dist/node/main.js'), ...args])
  },
  build: () => build([]),
  check,
  test: () => {
    build([])
    check()
    run('vitest', ['run', ...args])
  },
  bench: () => {
    build([])
    become('node', [join(root, 'bench/dist/main.js'), ...args])
  },
  sim: () => {
    build([])
    become('node', [join(root, 'sim/dist/main.js'), ...args])
  },
  format: () => {
    install()
    run('biome', ['check', '--write', '.'])
  },
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(
    `GoMQ needs Node.js 20.19 or newer and this is ${process.versions.node}; install a newer Node.js and run the command again`,
  )
}
if (!Object.hasOwn(commands, command)) fail(`unknown command '${command}'; one of: ${Object.keys(commands).join(', ')}`)
commands[command]()

/** Installs the locked dependencies, unless the last install saw the same lockfile. */
function install() {
  const stampFile = join(root, 'node_modules', '.gomq-installed')
  const hash = createHash('sha256')
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  const stamp = hash.digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  process.stderr.write('gomq: installing dependencies\n')
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  run('npx', ['--yes', packageManager, 'install', '--frozen-lockfile', '--reporter=append-only'])
  writeFileSync(stampFile, stamp)
}

/** Builds what changed; turbo's cache makes a build without changes take about a second. */
function build(filters) {
  install()
  run('turbo', ['run', 'build', '--output-logs=errors-only', ...filters])
}

/** Types of the tests, style, structure, unused code. */
function check() {
  install()
  run('biome', ['ci', '--error-on-warnings', '.'])
  run('tsc', ['-p', 'tsconfig.tests.json'])
}

/** Runs to the end with stdout moved to stderr, so that what `start` prints is only the broker's; stops with its exit code if it fails. */
function run(file, runArgs) {
  const { status, signal, error } = spawnSync(file, runArgs, {
    cwd: root,
    env,
    stdio: ['ignore', command === 'start' ? 2 : 1, 2],
  })
  if (error) fail(`${file} could not be started: ${error.message}`)
  if (status !== 0) process.exit(status ?? 128 + constants.signals[signal])
}

/** Hands the terminal, the signals and the exit code over to a long-running program. */
function become(file, runArgs) {
  const child = spawn(file === 'node' ? process.execPath : file, runArgs, { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (status, signal) => process.exit(status ?? 128 + constants.signals[signal]))
}

function fail(message) {
  process.stderr.write(`gomq: ${message}\n`)
  process.exit(1)
}
