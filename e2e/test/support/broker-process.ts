import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../../apps/broker/bin/gomq.js', import.meta.url))
const READY_WITHIN_MS = 20_000

/** What a test may ask of a broker of its own. */
export interface BrokerProcessOptions {
  /** More flags of the broker. */
  readonly args?: readonly string[]
  /** The program, if it is not the one of this repository. */
  readonly main?: string
  /** Flags of Node. */
  readonly nodeArgs?: readonly string[]
}

/**
 * The built broker in a process of its own, on loopback ports of its own and with a data directory that goes with it. Ports and
 * data stay over {@link kill} and {@link restart}.
 */
export class BrokerProcess {
  readonly dataDirectory: string
  readonly #options: BrokerProcessOptions
  #child: ChildProcess | undefined
  #tcp = '127.0.0.1:0'
  #http = '127.0.0.1:0'
  #stderr = ''

  private constructor(options: BrokerProcessOptions) {
    this.#options = options
    this.dataDirectory = mkdtempSync(join(tmpdir(), 'gomq-e2e-'))
  }

  static async start(options: BrokerProcessOptions = {}): Promise<BrokerProcess> {
    const broker = new BrokerProcess(options)
    await broker.restart()
    return broker
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

  get pid(): number {
    return this.#child!.pid!
  }

  /** What the broker has logged. */
  get stderr(): string {
    return this.#stderr
  }

  /** Resident set now, in MiB. */
  get rssMiB(): number {
    const match = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))
    return Number(match![1]) / 1024
  }

  /** Starts the process again on the same ports and data. */
  async restart(): Promise<void> {
    const { args = [], nodeArgs = [], main = MAIN } = this.#options
    const flags = ['--data-dir', this.dataDirectory, '--tcp', this.#tcp, '--http', this.#http, ...args]
    const child = spawn(process.execPath, [...nodeArgs, main, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    child.stderr!.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString()
    })
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`the broker was not ready in time; it said:\n${this.#stderr}`)),
        READY_WITHIN_MS,
      )
      createInterface({ input: child.stdout! }).on('line', (line) => {
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

  /** SIGTERM, and the exit code. */
  stop(): Promise<number | null> {
    return this.#end('SIGTERM')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.dataDirectory, { recursive: true, force: true })
  }

  #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      return Promise.resolve(child?.exitCode ?? null)
    return new Promise((resolve) => {
      child.once('exit', (code) => resolve(code))
      child.kill(signal)
    })
  }
}
