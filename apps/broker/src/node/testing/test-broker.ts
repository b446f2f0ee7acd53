import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Authorizer, allowAll } from '@gomq/engine'
import { type ErrorCode, GomqError } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import type { FileSystem } from '@gomq/storage'
import { nodeFileSystem } from '@gomq/storage/node'
import { SimDisk } from '@gomq/storage/testing'
import { BrokerProcess } from '../broker-process.js'
import { loadConfiguration } from '../configuration/load-configuration.js'
import { formatEndpoint } from '../configuration/values.js'
import { createLogger } from '../logger.js'

/** How a broker for tests is made. */
export interface TestBrokerOptions {
  /**
   * `memory` (default): a disk in memory that loses at a crash what was not synced. `disk`: a temporary directory, removed at the
   * end; a crash there is that of the process only.
   */
  readonly store?: 'memory' | 'disk'
  /** Whether HTTP is served too, on a port of its own; false by default. */
  readonly http?: boolean
  /** More options of the broker, by the names of its flags: `{ 'message-bytes-max': '1KiB' }`. */
  readonly options?: Readonly<Record<string, string>>
  /** Seed of what a crash of the memory store loses; 1 by default. */
  readonly seed?: number
}

/** Where the memory store keeps its files. */
const MEMORY_DIRECTORY = 'data'

/**
 * Starts a broker inside this process, for the tests of programs that use GoMQ: the real engine, log and listeners, on random loopback
 * ports, with switches for faults.
 *
 *     await using broker = await startTestBroker()
 *     await using mq = await connect(broker.url)
 *
 * @throws GomqError CONFIG_INVALID  an option
 */
export async function startTestBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const broker = new TestBroker(options)
  await broker.start()
  return broker
}

/** A broker inside this process. Ports and stored data stay over {@link crash} and {@link start}. */
export class TestBroker {
  readonly #options: TestBrokerOptions
  readonly #disk: SimDisk | undefined
  #directory: string | undefined
  #running: BrokerProcess | undefined
  #refusal: GomqError | undefined
  #tcp = '127.0.0.1:0'
  #http: string

  /** @internal */
  constructor(options: TestBrokerOptions) {
    this.#options = options
    this.#disk = options.store === 'disk' ? undefined : new SimDisk(new SeededRandom(options.seed ?? 1))
    this.#http = options.http === true ? '127.0.0.1:0' : 'off'
  }

  /** For `connect` of the client. */
  get url(): string {
    return `gomq://${this.#tcp}`
  }

  /** Base of the HTTP addresses; undefined without HTTP. */
  get httpUrl(): string | undefined {
    return this.#http === 'off' ? undefined : `http://${this.#http}`
  }

  /** Whether clients can connect now. */
  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** Starts again after {@link stop} or {@link crash}, on the same ports and data. While it runs: nothing happens. */
  async start(): Promise<void> {
    if (this.#running !== undefined) return
    const directory = await this.#dataDirectory()
    const values = new Map(
      Object.entries({
        ...this.#options.options,
        'data-dir': directory,
        tcp: this.#tcp,
        http: this.#http,
        'log-level': 'silent',
      }),
    )
    const { configuration } = loadConfiguration(
      { kind: 'run', configFile: undefined, values },
      { environment: {}, readFile: () => '' },
    )
    const fs: FileSystem = this.#disk?.mount() ?? nodeFileSystem()
    const log = createLogger(configuration.logLevel, configuration.nodeId)
    this.#running = await BrokerProcess.start(configuration, log, () => undefined, {
      fs,
      authorizer: this.#authorizer(),
    })
    this.#tcp = formatEndpoint(this.#running.tcp)
    const { http } = this.#running
    if (http !== undefined) this.#http = formatEndpoint(http)
  }

  /** Refuses every publish with `code` until {@link acceptPublishes}; nothing is stored. */
  refusePublishes(code: ErrorCode, message: string = 'the test refuses publishes'): void {
    this.#refusal = new GomqError(code, message)
  }

  /** Takes publishes again. */
  acceptPublishes(): void {
    this.#refusal = undefined
  }

  /** Cuts every connection; clients may come again at once. */
  dropConnections(): void {
    this.#running?.dropConnections()
  }

  /** Crashes: connections are cut; the memory store also loses what was not synced. {@link start} begins the next life. */
  async crash(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    this.#disk?.crash()
    await running?.crash()
  }

  /** Stops in order: what was received is acknowledged first. Again: nothing happens. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    await running?.stop()
  }

  /** Stops, and removes the temporary directory. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true })
    this.#directory = undefined
  }

  #authorizer(): Authorizer {
    return { ...allowAll, mayPublish: () => this.#refusal }
  }

  async #dataDirectory(): Promise<string> {
    if (this.#disk !== undefined) return MEMORY_DIRECTORY
    this.#directory ??= await mkdtemp(join(tmpdir(), 'gomq-test-'))
    return this.#directory
  }
}
