#!/usr/bin/env node
// The commands of the root package.json. Needs only Node and npm: it installs and builds what is missing or stale.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  npm_config_progress: 'false',
}

const TEST_HINT = "see the failures above; 'npm test -- <part of a file name>' runs one file"

const commands = {
  start: () => {
    // With gomqctl, which a second terminal calls next.
    build(['--filter=@gomq/broker', '--filter=gomqctl'])
    become([join(root, 'apps/broker/bin/gomq.js'), ...args])
  },
  build: () => build([]),
  check,
  test: async () => {
    build([])
    // Whoever runs one test does not want to wait for the rest.
    if (args.length > 0) return run('vitest', ['run', ...args], TEST_HINT)
    check()
    await testAll()
  },
  bench: () => {
    build([])
    become([join(root, 'bench/dist/main.js'), ...args])
  },
  sim: () => {
    build([])
    become([join(root, 'sim/dist/main.js'), ...args])
  },
  format: () => {
    install()
    run('biome', ['check', '--write', '.'], 'mend by hand what is listed above')
  },
}

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  fail(
    `GoMQ needs Node.js 20.19 or newer and this is ${process.versions.node}; install a newer Node.js and run the command again`,
  )
}
if (!Object.hasOwn(commands, command)) fail(`unknown command '${command}'; one of: ${Object.keys(commands).join(', ')}`)
await commands[command]()

/** Installs the locked dependencies, unless the last install ended well, saw the same lockfile, and is still there. */
function install() {
  const stampFile = join(root, 'node_modules', '.gomq-installed')
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const file of ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml'])
    hash.update(readFileSync(join(root, file)))
  const stamp = hash.digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp && workspaceIsLinked()) return
  process.stderr.write('gomq: installing dependencies\n')
  // An install that is interrupted leaves no stamp, so that the next command installs again.
  rmSync(stampFile, { force: true })
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  run(
    'npx',
    // pnpm may throw away what an interrupted install left; without a terminal it would ask in vain.
    [
      '--yes',
      packageManager,
      'install',
      '--frozen-lockfile',
      '--reporter=append-only',
      '--config.confirmModulesPurge=false',
    ],
    'is the network there? The command can be run again at any time; it goes on where this one stopped',
  )
  writeFileSync(stampFile, stamp)
}

/** Whether every folder of the workspace that has dependencies still has its node_modules. */
function workspaceIsLinked() {
  const folders = ['packages', 'apps'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name)),
  )
  return [root, ...folders].every((folder) => {
    if (!existsSync(join(folder, 'package.json'))) return true
    const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    return Object.keys({ ...dependencies, ...devDependencies }).every((name) =>
      existsSync(join(folder, 'node_modules', name, 'package.json')),
    )
  })
}

/** Builds what changed; turbo's cache makes a build without changes take about a second. */
function build(filters) {
  install()
  if (!existsSync(join(root, 'packages/protocol/dist'))) process.stderr.write('gomq: building\n')
  runQuietly('turbo', ['run', 'build', '--output-logs=errors-only', '--ui=stream', ...filters], 'the errors are above')
}

/** Types of the tests, style, structure, unused code. */
function check() {
  install()
  run('biome', ['ci', '--error-on-warnings', '.'], "'npm run format' mends most of it")
  run('tsc', ['-p', 'tsconfig.tests.json'], 'the types of the tests do not fit')
  run('knip', ['--no-progress'], 'remove what is not used, or tell knip.json where it is used')
}

/**
 * Unit and e2e tests side by side: these compute, those mostly wait for processes. What the second of them prints comes when the first has ended,
 * and from then on as it happens.
 */
async function testAll() {
  const colors = process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}
  const [unit, e2e] = ['unit', 'e2e'].map((project) => {
    const child = spawn('vitest', ['run', '--project', project], {
      cwd: root,
      env: { ...env, ...colors },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return { child, ended: endOf(child) }
  })
  const pass = (signal) => {
    for (const { child } of [unit, e2e]) child.kill(signal)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass)
  show(unit.child)
  const held = []
  const hold = (chunk) => held.push(chunk)
  e2e.child.stdout.on('data', hold)
  e2e.child.stderr.on('data', hold)
  const results = [await unit.ended]
  e2e.child.stdout.off('data', hold)
  e2e.child.stderr.off('data', hold)
  for (const chunk of held) process.stdout.write(chunk)
  show(e2e.child)
  results.push(await e2e.ended)
  for (const result of results) finish('vitest', TEST_HINT, result)
}

function show(child) {
  child.stdout.pipe(process.stdout, { end: false })
  child.stderr.pipe(process.stderr, { end: false })
}

function endOf(child) {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ status: null, signal: null, error }))
    child.on('close', (status, signal) => resolve({ status, signal }))
  })
}

/** Runs to the end with stdout moved to stderr, so that what `start` prints is only the broker's; stops with its exit code if it fails. */
function run(file, runArgs, hint) {
  finish(file, hint, spawnSync(file, runArgs, { cwd: root, env, stdio: ['ignore', command === 'start' ? 2 : 1, 2] }))
}

/** The same, but what it prints is shown only if it fails. */
function runQuietly(file, runArgs, hint) {
  const result = spawnSync(file, runArgs, {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 256 * 1024 * 1024,
  })
  if (result.status !== 0) process.stderr.write(`${result.stdout}${result.stderr}`)
  finish(file, hint, result)
}

function finish(file, hint, { status, signal, error }) {
  if (error) fail(`${file} could not be started: ${error.message}`)
  if (signal !== null) process.exit(128 + constants.signals[signal])
  if (status === 0) return
  process.stderr.write(
    `gomq: 'npm ${command === 'test' || command === 'start' ? '' : 'run '}${command}' stopped: ${file} failed; ${hint}\n`,
  )
  process.exit(status)
}

/** Hands the terminal, the signals and the exit code over to a long-running program. */
function become(nodeArgs) {
  const child = spawn(process.execPath, nodeArgs, { stdio: 'inherit', env })
  const pass = (signal) => child.kill(signal)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, pass)
  // The shell between npm and us dies of a SIGTERM without passing it on: without a parent, we stop too.
  const parent = process.ppid
  const orphanCheck = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(orphanCheck)
    pass('SIGTERM')
  }, 500)
  child.on('error', (error) => fail(`${nodeArgs[0]} could not be started: ${error.message}`))
  child.on('exit', (status, signal) => process.exit(status ?? 128 + constants.signals[signal]))
}

function fail(message) {
  process.stderr.write(`gomq: ${message}\n`)
  process.exit(1)
}
