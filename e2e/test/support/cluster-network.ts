import type { BrokerProcess } from './broker-process.js'
import { BLACK_HOLE, FaultProxy, type Passages } from './fault-proxy.js'

/** The ways between the brokers of a cluster, and from each of them to etcd: proxies that can be told to fail. */
export class ClusterNetwork implements AsyncDisposable {
  /** Ways from the n-th broker to etcd. */
  readonly #toEtcd: FaultProxy[] = []
  /** Ways to the n-th broker's replication listener. */
  readonly #toBroker: FaultProxy[] = []
  #brokers: readonly BrokerProcess[] = []

  /** Flags of one more broker, by which its ways lead through here. */
  async join(etcdUrl: string, replication: string): Promise<string[]> {
    const toEtcd = await FaultProxy.start(new URL(etcdUrl).host)
    const toBroker = await FaultProxy.start(replication, () => this.#brokers.map(({ pid }) => pid))
    this.#toEtcd.push(toEtcd)
    this.#toBroker.push(toBroker)
    return ['--etcd', `http://${toEtcd.address}`, '--advertise-replication', toBroker.address]
  }

  /** The brokers that have joined, in that order. */
  handleStarting(brokers: readonly BrokerProcess[]): void {
    this.#brokers = brokers
  }

  /** The way from a broker to etcd. */
  toEtcd(broker: BrokerProcess): FaultProxy {
    return this.#toEtcd[this.#brokers.indexOf(broker)]!
  }

  /** All ways to a broker's replication listener. */
  toBroker(broker: BrokerProcess): FaultProxy {
    return this.#toBroker[this.#brokers.indexOf(broker)]!
  }

  /** Nothing goes from `a` to `b` any more, and nothing from `b` to `a` unless `isOneWay`. */
  part(a: BrokerProcess, b: BrokerProcess, isOneWay = false): void {
    const held = { isHeld: true }
    this.toBroker(b).treat(a.pid, isOneWay ? { toTarget: held } : BLACK_HOLE)
    this.toBroker(a).treat(b.pid, isOneWay ? { fromTarget: held } : BLACK_HOLE)
  }

  /** All between two brokers passes again. */
  reunite(a: BrokerProcess, b: BrokerProcess): void {
    this.toBroker(b).treat(a.pid, {})
    this.toBroker(a).treat(b.pid, {})
  }

  /** The ways of a broker to and from the other brokers are treated so. */
  treat(broker: BrokerProcess, passages: Passages): void {
    for (const proxy of this.#toBroker) if (proxy !== this.toBroker(broker)) proxy.treat(broker.pid, passages)
    this.toBroker(broker).treat(undefined, passages)
  }

  /** Everything passes again. */
  heal(): void {
    for (const proxy of [...this.#toEtcd, ...this.#toBroker]) proxy.heal()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#toEtcd, ...this.#toBroker].map((proxy) => proxy[Symbol.asyncDispose]()))
  }
}
