import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { freePort } from './free-port.js'

const MAIN = fileURLToPath(new URL('../../../apps/broker/bin/gomq.js', import.meta.url))
const READY_WITHIN_MS = 60_000

/** What a test may ask of a broker of its own. */
export interface BrokerProcessOptions {
  /** More flags of the broker. */
  readonly args?: readonly string[]
  /** The program, if it is not the one of this repository. */
  readonly main?: string
  /** Flags of Node. */
  readonly nodeArgs?: readonly string[]
  /** A directory of the test's own in place of a temporary one; it stays. */
  readonly dataDirectory?: string
  /** A program and its arguments that run the broker, such as `strace`; it must end as the broker ends. */
  readonly under?: readonly string[]
  /** Variables beside those of this process. */
  readonly env?: Readonly<Record<string, string>>
}

/**
 * The built broker in a process of its own, on loopback ports of its own and with a data directory that goes with it. Ports and
 * data stay over {@link kill} and {@link restart}.
 */
export class BrokerProcess {
  readonly dataDirectory: string
  #options: BrokerProcessOptions
  #child: ChildProcess | undefined
  #tcp = ''
  #http = ''
  #stderr = ''
  #printed: string[] = []
  #ended: Promise<number | null> = Promise.resolve(null)

  private constructor(options: BrokerProcessOptions) {
    this.#options = options
    this.dataDirectory = options.dataDirectory ?? mkdtempSync(join(tmpdir(), 'gomq-e2e-'))
  }

  static async start(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options)
    await broker.restart()
    return broker
  }

  /** A broker that may not come to stand: {@link restart} rejects then. */
  static prepare(options: BrokerProcessOptions): BrokerProcess {
    return new BrokerProcess(options)
  }

  /** host:port of the native listener. */
  get tcp(): string {
    return this.#tcp
  }

  /** For `connect` of the client. */
  get url(): string {
    return `gomq://${this.#tcp}`
  }

  /** Base of the HTTP addresses. */
  get httpUrl(): string {
    return `http://${this.#http}`
  }

  /** The broker's, also if another program runs it. */
  get pid(): number {
    const pid = this.#child!.pid!
    if ((this.#options.under ?? []).length === 0) return pid
    const child = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0])
    // 0 would be the group of this very process.
    if (!(child > 1)) throw new Error(`process ${pid} has no broker under it`)
    return child
  }

  /** Exit code of the process, when it has ended; null after a signal. */
  get ended(): Promise<number | null> {
    return this.#ended
  }

  /** What the broker has logged. */
  get stderr(): string {
    return this.#stderr
  }

  /** Lines that the broker, or Node with flags that make it talk, has printed. */
  get printed(): readonly string[] {
    return this.#printed
  }

  /** Resident set now, in MiB. */
  get rssMiB(): number {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
    return Number(match![1]) / 1024
  }

  /** Greatest resident set so far, in MiB. */
  get rssMaxMiB(): number {
    const match = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
    return Number(match![1]) / 1024
  }

  /** Starts the process again on the same ports and data. @param changes  options that are others from now on */
  async restart(changes: Partial<BrokerProcessOptions> = {}): Promise<void> {
    // A process keeps what it was started with until it has ended.
    await this.kill()
    this.#options = { ...this.#options, ...changes }
    if (this.#tcp === '') this.#tcp = `127.0.0.1:${await freePort()}`
    if (this.#http === '') this.#http = `127.0.0.1:${await freePort()}`
    const { args = [], nodeArgs = [], main = MAIN, under = [], env = {} } = this.#options
    const flags = ['--data-dir', this.dataDirectory, '--tcp', this.#tcp, '--http', this.#http, ...args]
    const [program, ...rest] = [...under, process.execPath, ...nodeArgs, main, ...flags]
    const child = spawn(program!, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.#child = child
    this.#ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)))
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the broker was not ready in time; it said:\n${this.#stderr}`)),
        READY_WITHIN_MS,
      )
      createInterface({ input: child.stdout! }).on('line', (line) => {
        this.#printed.push(line)
        const match = /^gomq ready tcp=(\S+) http=(\S+)$/.exec(line)
        if (match === null) return
        this.#tcp = match[1]!
        this.#http = match[2]!
        clearTimeout(timer)
        resolve()
      })
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        reject(new Error(`the broker ended (${code ?? signal}) before it was ready; it said:\n${this.#stderr}`))
      })
    })
  }

  /** `kill -9`, and waits until the process is gone. */
  kill(): Promise<void> {
    return this.#end('SIGKILL').then(() => undefined)
  }

  /**
   * Starts the process again and `kill -9`s it meanwhile, wherever its start is by then.
   * @param kill  waits for its moment and kills
   * @returns whether it was ready before
   * @throws Error  it ended by itself
   */
  async restartAndKill(kill: () => Promise<unknown>): Promise<boolean> {
    const starting = this.restart().then(
      () => undefined,
      (error: Error) => error,
    )
    await kill()
    const error = await starting
    if (error !== undefined && !error.message.includes('ended (SIGKILL)')) throw error
    return error === undefined
  }

  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#options.dataDirectory === undefined) rmSync(this.dataDirectory, { recursive: true, force: true })
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return Promise.resolve(child?.exitCode ?? null)
    return new Promise((resolve) => {
      child.once('exit', (code) => resolve(code))
      process.kill(this.pid, signal)
    })
  }
}
