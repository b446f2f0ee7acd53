import type { Authorizer } from '@gomq/engine'
import { GomqError } from '@gomq/protocol'
import { crc32, inflate, systemRandom } from '@gomq/protocol/node'
import { createCleaner, type FileSystem } from '@gomq/storage'
import { createWorkerCleaner, nodeFileSystem } from '@gomq/storage/node'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { Broker } from '../broker.js'
import type { BrokerOptions } from '../broker-options.js'
import type { Configuration } from './configuration/configuration.js'
import { type Endpoint, formatEndpoint } from './configuration/values.js'
import { NodeScheduler } from './node-scheduler.js'
import { TcpListener } from './tcp-listener.js'
import { GOMQ_VERSION } from './version.js'

/** Parts of a broker that may be others than the usual ones. */
export interface BrokerParts {
  readonly fs?: FileSystem
  readonly authorizer?: Authorizer
}

/** The broker with its doors: what `gomq` runs, and what tests run in their own process. */
export class BrokerProcess {
  readonly broker: Broker
  readonly #tcp: TcpListener
  readonly #http: FastifyInstance | undefined
  readonly #configuration: Configuration
  readonly #log: Logger
  #stopping: Promise<void> | undefined

  private constructor(
    broker: Broker,
    tcp: TcpListener,
    http: FastifyInstance | undefined,
    configuration: Configuration,
    log: Logger,
  ) {
    this.broker = broker
    this.#tcp = tcp
    this.#http = http
    this.#configuration = configuration
    this.#log = log
  }

  /**
   * Recovers the log and opens the doors. Nothing is open when it throws.
   *
   * @param onFailure  the broker can no longer keep its promises and has closed every connection: exit
   * @param parts      what stands for the real disk and for letting everybody do everything
   * @throws GomqError DATA_DIR_LOCKED, CORRUPT_LOG, UNSUPPORTED_FORMAT  of recovery
   * @throws GomqError UNAVAILABLE  the directory or an address cannot be used; the cause is the operating system's error
   */
  static async start(
    configuration: Configuration,
    log: Logger,
    onFailure: (error: Error) => void,
    parts: BrokerParts = {},
  ): Promise<BrokerProcess> {
    const { http: httpEndpoint, messageBytesMax, httpHosts, advertiseHttp } = configuration
    // The HTTP server is the largest part of the program: it is loaded while the disk is read, and only if it is wanted.
    const httpModule = httpEndpoint === undefined ? undefined : import('./http/http-server.js')
    const fs = parts.fs ?? nodeFileSystem()
    const isAlone = configuration.etcd.length === 0
    const cluster = isAlone ? undefined : await (await import('./cluster.js')).clusterMembership(configuration, fs, log)
    const broker = await open({
      fs,
      ...(cluster !== undefined && { cluster }),
      directory: configuration.dataDir,
      crc32,
      inflate,
      scheduler: new NodeScheduler(),
      gather: () => new Promise((resolve) => setImmediate(resolve)),
      random: systemRandom,
      log,
      brokerId: configuration.nodeId,
      brokerVersion: GOMQ_VERSION,
      messageBytesMax,
      retainedTopicsMax: configuration.retainedTopicsMax,
      segmentBytes: configuration.segmentBytes,
      tailCacheBytes: configuration.tailCacheBytes,
      snapshotIntervalBytes: configuration.snapshotIntervalBytes,
      cleaner: cleanerFor(parts.fs, configuration.segmentBytes),
      cleanIntervalMs: configuration.cleanIntervalMs,
      unsyncedBytesMax: configuration.unsyncedBytesMax,
      diskReserveBytes: configuration.diskReserveBytes,
      ...(parts.authorizer !== undefined && { authorizer: parts.authorizer }),
      onFailure,
    })
    const tcp = new TcpListener({
      endpoint: configuration.tcp,
      connectionsMax: configuration.connectionsMax,
      connectionsPerAddressMax: configuration.connectionsPerAddressMax,
      log,
      accept: (wire) => broker.accept(wire),
    })
    const http = (await httpModule)?.createHttpServer({
      broker,
      messageBytesMax,
      // Other brokers of the cluster pass requests on to this name.
      httpHosts: advertiseHttp === undefined ? httpHosts : [...httpHosts, advertiseHttp.host.toLowerCase()],
      dryRun: broker.policyDryRun,
      log,
    })
    const started = new BrokerProcess(broker, tcp, http, configuration, log)
    try {
      await listen('tcp', configuration.tcp, () => tcp.listen())
      if (http !== undefined && httpEndpoint !== undefined) {
        await listen('http', httpEndpoint, () => http.listen(httpEndpoint))
      }
    } catch (error) {
      await started.stop()
      throw error
    }
    return started
  }

  /** Where native clients connect. */
  get tcp(): Endpoint {
    return this.#tcp.endpoint
  }

  /** Where HTTP is served; undefined if it is off. */
  get http(): Endpoint | undefined {
    const address = this.#http?.addresses()[0]
    return address === undefined || typeof address === 'string'
      ? undefined
      : { host: address.address, port: address.port }
  }

  /** The line that says to programs where the broker is: `gomq ready tcp=127.0.0.1:9000 http=127.0.0.1:8000`. */
  get readyLine(): string {
    const http = this.http
    return `gomq ready tcp=${formatEndpoint(this.tcp)} http=${http === undefined ? 'off' : formatEndpoint(http)}`
  }

  /**
   * Stops: accepts nothing more, answers what is under way, says goodbye to every client, closes the log. After the configured
   * time what is left is cut off. Again: the same promise.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Cuts every native connection; clients may come again at once. For tests of reconnecting. */
  dropConnections(): void {
    this.#tcp.destroyConnections()
  }

  /** Ends as a crash of the process would: connections are cut and nothing more is promised or written. For tests. */
  async crash(): Promise<void> {
    this.#stopping ??= Promise.resolve()
    this.#tcp.close()
    this.#tcp.destroyConnections()
    this.#http?.server.closeAllConnections()
    await Promise.all([this.#http?.close(), this.broker.crash()])
  }

  async #stop(): Promise<void> {
    const deadline = setTimeout(() => {
      this.#log.warn(
        { timeoutMs: this.#configuration.shutdownTimeoutMs },
        'stopping took too long; cutting what is left',
      )
      this.#tcp.destroyConnections()
      this.#http?.server.closeAllConnections()
    }, this.#configuration.shutdownTimeoutMs)
    try {
      this.#tcp.close()
      await Promise.all([this.#http?.close(), this.broker.shutdown()])
    } finally {
      clearTimeout(deadline)
      this.#tcp.destroyConnections()
    }
  }
}

/** On the real disk the cleaner works in a thread of its own; another disk is in this one. */
function cleanerFor(fs: FileSystem | undefined, segmentBytes: number): NonNullable<BrokerOptions['cleaner']> {
  return fs === undefined ? createWorkerCleaner({ segmentBytes }) : createCleaner({ fs, crc32, segmentBytes })
}

/** Opens the broker; what the operating system refuses is said with what to do about it. */
async function open(options: BrokerOptions): Promise<Broker> {
  try {
    return await Broker.open(options)
  } catch (cause) {
    if (!(cause instanceof Error && 'syscall' in cause)) throw cause
    throw new GomqError(
      'UNAVAILABLE',
      `the data directory ${options.directory} cannot be used (${cause.message}); let this user read and write it, or choose another with --data-dir`,
      { cause },
    )
  }
}

/** Says which of the addresses cannot be listened on, and what to do about it. */
async function listen(flag: 'tcp' | 'http', endpoint: Endpoint, run: () => Promise<unknown>): Promise<void> {
  try {
    await run()
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? String(cause)
    throw new GomqError(
      'UNAVAILABLE',
      `cannot listen on ${formatEndpoint(endpoint)} (${reason}); ${adviceFor(reason)} with --${flag}`,
      { cause },
    )
  }
}

function adviceFor(reason: string): string {
  if (reason === 'EADDRINUSE') return 'stop what uses it, or choose another address'
  if (reason === 'EACCES') return 'ports below 1024 are for privileged users: choose a higher one'
  return 'choose an address of this machine'
}
