import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { usageOf } from './machine.js'

/** A server under measurement in a process of its own, with a data directory that goes when it stops. */
export class ServerProcess {
  /** Where clients connect: host:port. */
  readonly address: string
  readonly #child: ChildProcess
  readonly #directory: string
  readonly #sampler: NodeJS.Timeout
  #rssBytesMax = 0

  private constructor(child: ChildProcess, address: string, directory: string) {
    this.#child = child
    this.address = address
    this.#directory = directory
    this.#sampler = setInterval(() => this.#sample(), 100)
    this.#sample()
  }

  /** GoMQ with its defaults: fdatasync before every ack. @param args  more of them; of two the later one counts */
  static broker(workDirectory: string, args: readonly string[] = []): Promise<ServerProcess> {
    const main = fileURLToPath(new URL('../bin/gomq.js', import.meta.resolve('@gomq/broker')))
    return ServerProcess.#start(workDirectory, (data) => [
      main,
      '--data-dir',
      data,
      '--tcp',
      '127.0.0.1:0',
      '--http',
      'off',
      ...args,
    ])
  }

  /** The floor: an opaque relay that appends, syncs in groups and forwards. */
  static relay(workDirectory: string): Promise<ServerProcess> {
    return ServerProcess.#start(workDirectory, (data) => [fileURLToPath(new URL('./relay.js', import.meta.url)), data])
  }

  /** GoMQ with its defaults, at its HTTP address. */
  static brokerHttp(workDirectory: string): Promise<ServerProcess> {
    const main = fileURLToPath(new URL('../bin/gomq.js', import.meta.resolve('@gomq/broker')))
    const args = ['--tcp', '127.0.0.1:0', '--http', '127.0.0.1:0']
    return ServerProcess.#start(workDirectory, (data) => [main, '--data-dir', data, ...args], 'http')
  }

  /** The floor of HTTP. */
  static bareHttp(workDirectory: string): Promise<ServerProcess> {
    return ServerProcess.#start(
      workDirectory,
      () => [fileURLToPath(new URL('./bare-http.js', import.meta.url))],
      'http',
    )
  }

  /** Bytes that the segments of a broker's log take on the disk. */
  get logBytes(): number {
    const folder = join(this.#directory, 'log')
    const segments = readdirSync(folder).filter((name) => name.endsWith('.log'))
    return segments.reduce((bytes, name) => bytes + statSync(join(folder, name)).size, 0)
  }

  static async #start(
    workDirectory: string,
    argsFor: (data: string) => string[],
    door: 'tcp' | 'http' = 'tcp',
  ): Promise<ServerProcess> {
    const directory = mkdtempSync(join(workDirectory, 'data-'))
    const nodeArgs = process.env['GOMQ_BENCH_NODE_ARGS']?.split(' ') ?? []
    const child = spawn(process.execPath, [...nodeArgs, ...argsFor(directory)], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, GOMQ_LOG_LEVEL: 'warn' },
    })
    const address = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stdout! }).on('line', (line) => {
        const match = / ready /.test(line) ? new RegExp(`${door}=(\\S+)`).exec(line) : null
        if (match) resolve(match[1]!)
      })
      child.once('exit', (code) => reject(new Error(`the server ended with code ${code} before it was ready`)))
    })
    return new ServerProcess(child, address, directory)
  }

  /** CPU seconds used so far. */
  get cpuSec(): number {
    return usageOf(this.#child.pid!).cpuSec
  }

  /** Greatest resident set seen. */
  get rssBytesMax(): number {
    this.#sample()
    return this.#rssBytesMax
  }

  /** Resident set now. */
  get rssBytes(): number {
    return usageOf(this.#child.pid!).rssBytes
  }

  async stop(): Promise<void> {
    clearInterval(this.#sampler)
    const gone = new Promise((resolve) => this.#child.once('exit', resolve))
    this.#child.kill('SIGTERM')
    await gone
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #sample(): void {
    this.#rssBytesMax = Math.max(this.#rssBytesMax, this.rssBytes)
  }
}
