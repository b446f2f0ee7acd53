import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { PROFILE_SIGNAL } from '../profile/handover.js'
import { profileIn } from '../profile/server-profile.js'
import type { Server, Usage } from '../systems/system.js'
import { freePort } from './free-port.js'
import { processesOfGroup, usageOf } from './process-usage.js'

const READY_MS_MAX = 120_000
const STOP_MS_MAX = 20_000

/** How to start a server in a data directory of its own. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** A line of its output that says its address, in the first group; or the port of the loopback that it will listen on. */
  readonly ready: RegExp | number
  /** Whether it is Node with the arguments of `PROFILE_ARGS`. */
  readonly isProfiled?: boolean | undefined
}

/** A server under measurement: a group of processes of its own, with a data directory that goes when it stops. */
export class ServerProcess implements Server {
  readonly address: string
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #pids: readonly number[]
  readonly #isProfiled: boolean

  private constructor(child: ChildProcess, address: string, directory: string, isProfiled: boolean) {
    this.#child = child
    this.address = address
    this.#directory = directory
    this.#pids = processesOfGroup(child.pid!)
    this.#isProfiled = isProfiled
  }

  /** @throws Error  it ended, or did not come up in two minutes; with the end of its output */
  static async start(
    workDirectory: string,
    launchIn: (directory: string) => Launch | Promise<Launch>,
  ): Promise<ServerProcess> {
    const directory = mkdtempSync(join(workDirectory, 'data-'))
    const { command, args, env, ready, isProfiled = false } = await launchIn(directory)
    const output = join(directory, 'bench-output')
    const fd = openSync(output, 'a')
    const child = spawn(command, args, {
      stdio: ['ignore', fd, fd],
      env: { ...process.env, ...env },
      cwd: directory,
      detached: true,
    })
    closeSync(fd)
    const endGroup = () => killGroup(child, 'SIGKILL')
    process.once('exit', endGroup)
    child.once('exit', () => process.removeListener('exit', endGroup))
    let failure: string | undefined
    child.once('error', (error) => (failure = error.message))
    child.once('exit', (code, signal) => (failure ??= `it ended with ${signal ?? `code ${code}`}`))
    const endMs = performance.now() + READY_MS_MAX
    for (;;) {
      const address = typeof ready === 'number' ? await listening(ready) : ready.exec(readFileSync(output, 'utf8'))?.[1]
      if (failure === undefined && address !== undefined)
        return new ServerProcess(child, address, directory, isProfiled)
      if (failure === undefined && performance.now() > endMs) failure = 'it does not come up'
      if (failure !== undefined) {
        const said = readFileSync(output, 'utf8').slice(-2000)
        endGroup()
        rmSync(directory, { recursive: true, force: true })
        throw new Error(`${command}: ${failure}\n${said}`)
      }
      await sleep(20)
    }
  }

  /** Starts one that is told its port, a free one of the loopback, and is there when it listens on it. @throws Error  as {@link start} */
  static startOnPort(
    workDirectory: string,
    launchIn: (directory: string, port: number) => Omit<Launch, 'ready'> | Promise<Omit<Launch, 'ready'>>,
  ): Promise<ServerProcess> {
    return ServerProcess.start(workDirectory, async (directory) => {
      const port = await freePort()
      return { ...(await launchIn(directory, port)), ready: port }
    })
  }

  /** Bytes that the segments of a GoMQ broker's log take on the disk. */
  get storedBytes(): number {
    const folder = join(this.#directory, 'log')
    const segments = readdirSync(folder).filter((name) => name.endsWith('.log'))
    return segments.reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0)
  }

  get profiler(): Server['profiler'] {
    if (!this.#isProfiled) return undefined
    const toggle = () => void this.#child.kill(PROFILE_SIGNAL)
    return {
      start: toggle,
      stop: () => {
        toggle()
        return profileIn(this.#directory)
      },
    }
  }

  usage(): Usage {
    return usageOf(this.#pids)
  }

  async stop(): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    const isGone = this.#child.exitCode !== null || this.#child.signalCode !== null
    if (!isGone) {
      killGroup(this.#child, 'SIGTERM')
      const timer = setTimeout(() => killGroup(this.#child, 'SIGKILL'), STOP_MS_MAX)
      await gone
      clearTimeout(timer)
    }
    rmSync(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function listening(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(`127.0.0.1:${port}`)
    })
    socket.once('error', () => resolve(undefined))
  })
}
