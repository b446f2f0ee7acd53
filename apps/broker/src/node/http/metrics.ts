import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'

/** A number of `Broker.stats` as Prometheus is told of it. */
interface Metric {
  readonly name: string
  readonly help: string
  /** Counts what has happened since the process started; without, it is how things are now. */
  readonly isCount?: true
}

/** What the statistics are called, in the order in which they are told. Names end with their unit, and with `_total` where they count. */
export const METRICS: { readonly [stat: string]: Metric } = {
  connections: { name: 'gomq_connections', help: 'Native clients that are connected.' },
  subscriptions: { name: 'gomq_subscriptions', help: 'Subscriptions of connected clients.' },
  durableSubscriptions: { name: 'gomq_durable_subscriptions', help: 'Subscriptions that outlive their connection.' },
  sessions: { name: 'gomq_sessions', help: 'Sessions that outlive their connection.' },
  retainedMessages: { name: 'gomq_retained_messages', help: 'Topics with a retained message.' },
  producers: { name: 'gomq_producers', help: 'Producers whose repetitions are known again.' },
  policies: { name: 'gomq_policies', help: 'Retention policies.' },
  droppedMessages: {
    name: 'gomq_dropped_messages_total',
    help: 'QoS 0 messages that a subscriber had no room for.',
    isCount: true,
  },
  refusedForRoom: {
    name: 'gomq_refused_for_room_total',
    help: 'Batches refused since the disk was nearly full.',
    isCount: true,
  },
  diskFreeBytes: { name: 'gomq_disk_free_bytes', help: 'Free space of the disk.' },
  diskReserveBytes: { name: 'gomq_disk_reserve_bytes', help: 'Free space below which publishes are refused.' },
  isDiskLow: { name: 'gomq_disk_low', help: '1 while publishes are refused for want of room.' },
  isDiskFull: { name: 'gomq_disk_full', help: '1 while nothing at all can be stored.' },
  cleanedBytes: { name: 'gomq_cleaned_bytes_total', help: 'Bytes that cleaning has freed.', isCount: true },
  rewrittenBytes: { name: 'gomq_rewritten_bytes_total', help: 'Bytes that cleaning has written.', isCount: true },
  damagedSegments: { name: 'gomq_damaged_segments', help: 'Segments that cannot be cleaned since they are damaged.' },
  logStartOffset: { name: 'gomq_log_start_offset', help: 'Where the log begins.' },
  highWatermark: { name: 'gomq_high_watermark', help: 'Where what is committed ends.' },
  logEndOffset: { name: 'gomq_log_end_offset', help: 'Where the log ends.' },
  clusterRole: { name: 'gomq_cluster_role', help: '0 joining, 1 member, 2 leader, 3 leader that is suspended.' },
  epoch: { name: 'gomq_cluster_epoch', help: 'Of the last leader that is known.' },
  elections: { name: 'gomq_elections_total', help: 'Elections that this broker has won.', isCount: true },
  inSyncBrokers: { name: 'gomq_in_sync_brokers', help: 'Brokers whose copies count.' },
}

/** How the statistics begin that tell how far each broker is behind. */
const LAG = 'lag.'
const LAG_NAME = 'gomq_replica_lag'
const LAG_HELP = "Offsets that a broker is behind the leader's log, by the leader."

/** The broker's statistics and those of its process, for Prometheus. */
export class Metrics {
  readonly #process = new Registry()
  readonly #statsOf: () => Readonly<Record<string, number>>

  /** @param statsOf  `Broker.stats` of the moment; a number that {@link METRICS} does not name is left out */
  constructor(statsOf: () => Readonly<Record<string, number>>) {
    this.#statsOf = statsOf
    collectDefaultMetrics({ register: this.#process })
  }

  /** All of it, in Prometheus' text format. */
  async text(): Promise<string> {
    const registry = new Registry()
    const registers = [registry]
    const stats = this.#statsOf()
    for (const [stat, { name, help, isCount }] of Object.entries(METRICS)) {
      const value = stats[stat]
      // What only a cluster has is not told of a broker alone.
      if (value !== undefined) new (isCount ? Counter : Gauge)({ name, help, registers }).inc(value)
    }
    const lags = Object.entries(stats).filter(([stat]) => stat.startsWith(LAG))
    if (lags.length > 0) {
      const gauge = new Gauge({ name: LAG_NAME, help: LAG_HELP, labelNames: ['broker'], registers })
      for (const [stat, lag] of lags) gauge.set({ broker: stat.slice(LAG.length) }, lag)
    }
    return `${await registry.metrics()}\n${await this.#process.metrics()}`
  }
}
