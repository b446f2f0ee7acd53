/** Bounds of the client's own memory and packets; each names its unit and what it stops. */

/** Bytes after which a batch takes no more records. Large enough to amortise a round trip, small enough to keep latency even. */
export const BATCH_BYTES_MAX: number = 128 * 1024

/** Records after which a batch takes no more. Stops one answer from settling so many promises that the loop stalls. */
export const BATCH_RECORDS_MAX = 8192

/**
 * Part of their timeout for which a batch takes records: those that come later get a batch, and so a deadline, of their own. So much too early a
 * publish may be given up. With a fixed time a slow producer of many topics would get small batches, and be slower for it.
 */
export const BATCH_OPEN_SHARE: number = 1 / 16

/** Publishes that may wait for room in the buffer. Stops a producer that never awaits from filling the heap. */
export const PARKED_PUBLISHES_MAX = 100_000

/**
 * Bytes of publishes that may wait for room in the buffer, text counted as UTF-16. Stops a producer of large messages that never awaits
 * from filling the memory; above what so many small ones hold.
 */
export const PARKED_BYTES_MAX: number = 256 * 1024 * 1024

/** Bytes of buffers that builders keep for use again. Stops a producer that had many topics at once from keeping a buffer for each. */
export const IDLE_BUILDERS_BYTES_MAX: number = 4 * 1024 * 1024

/** Times that one batch is sent under a new producer epoch before its publishes are rejected. Stops an endless exchange. */
export const BATCH_RESTAMPS_MAX = 3

/** Milliseconds after which a producer that was refused for want of disk space tries again, the first time; then twice as long each time. */
export const DISK_FULL_RETRY_MS_MIN = 250

/** Milliseconds between two tries of such a producer, at most. Stops many of them from keeping a full broker busy. */
export const DISK_FULL_RETRY_MS_MAX = 4_000

/**
 * Silence of a broker that something is waiting for, ms, after which the connection is given up, by default. Long enough for a disk that stalls: there is
 * nowhere else to go.
 */
export const PATIENCE_MS_DEFAULT = 15_000

/** The same where several brokers are known: another one may lead by now. */
export const CLUSTER_PATIENCE_MS = 5_000

/** Milliseconds of a request's timeout, and everything else that is counted with it, by default. */
export const REQUEST_TIMEOUT_MS_DEFAULT = 10_000

/** Milliseconds that a publish may take by default, reconnecting included. */
export const PUBLISH_TIMEOUT_MS_DEFAULT = 30_000

/**
 * Bytes of published records that may be unsettled by default. Enough that small messages to 10,000 topics go in batches of ten; more would not be
 * faster: what waits long, the collector copies.
 */
export const BUFFER_BYTES_MAX_DEFAULT: number = 8 * 1024 * 1024

/**
 * A producer that paces itself goes on when less than this part of its buffer is unsettled: so 1 MiB by default. Little enough that promises
 * settle before the collector moves them.
 */
export const ROOM_SHARE: number = 1 / 8

/** The same for messages that have one promise together: enough to keep the broker busy while it syncs. */
export const BULK_ROOM_SHARE: number = 1 / 4

/**
 * Bytes of records in a batch, on average over those that wait, below which a producer that paces itself goes on beyond its share of the buffer:
 * with thousands of topics each would else have a record or two, and a batch costs both sides ten times what a small record does.
 */
export const SMALL_BATCH_BYTES: number = 1024

/** The part of the buffer that such a producer fills. Leaves what it publishes between two looks some room. */
export const SMALL_BATCHES_ROOM_SHARE: number = 7 / 8

/** Messages that may be delivered ahead of the iterator by default. */
export const PREFETCH_MESSAGES_DEFAULT = 8192

/** Bytes that may be delivered ahead of the iterator by default. */
export const PREFETCH_BYTES_DEFAULT: number = 4 * 1024 * 1024

/**
 * Milliseconds for which acknowledgements gather that nobody waits for (`ack: 'auto'`). What they cost the broker, a sync among it, is shared by all that
 * come in that time; a process that is killed gets as much again.
 */
export const ACKS_GATHER_MS = 5

/**
 * Ranges of delivered, unacknowledged offsets of one subscription beyond which no more credit is granted. Stops a consumer that
 * acknowledges here and there, or never, from filling the heap; above the broker's own bound.
 */
export const UNACKED_RANGES_MAX = 20_000

/** Seconds that the session of a client with an id outlives its connection by default: 7 days. */
export const SESSION_EXPIRY_SEC_DEFAULT: number = 7 * 24 * 60 * 60

/** Bytes of a will, packed. Leaves room in the first frame, which is bounded, for credentials and names. */
export const WILL_BYTES_MAX: number = 60 * 1024

/** Requests that may wait for their answers. Stops a caller that never awaits from filling the heap. */
export const PENDING_REQUESTS_MAX = 100_000

/** Milliseconds between two questions about lag. */
export const LAG_INTERVAL_MS = 1_000
