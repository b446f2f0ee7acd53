/** Bounds of the engine. Each names its unit and the attack or stall it stops. */

/** Protocol batches of one producer that the dedupe window remembers, and that may be in flight. */
export const PRODUCER_WINDOW_BATCHES = 256

/** Idle time after which a producer is forgotten: 7 days. Stops random producer ids from filling the memory. */
export const PRODUCER_IDLE_MS: number = 7 * 24 * 60 * 60 * 1000

/** Producers that are known. Beyond it the longest idle are forgotten early. Stops random producer ids from filling the memory within those days. */
export const PRODUCERS_MAX = 100_000

/** Idle time before which no producer is forgotten, however many there are: 1 hour. A batch that is sent again by then is stored once. */
export const PRODUCER_KEPT_MS: number = 60 * 60 * 1000

/** Producers beyond which a new one is refused: so many within an hour are not forgotten, and not let in either. */
export const PRODUCERS_LIMIT: number = 2 * PRODUCERS_MAX

/** Milliseconds between two looks for producers to forget. A look walks over all of them. */
export const PRODUCERS_LOOK_MS = 60_000

/** Producers that one record forgets; when there are too many, those of one record go, so that a look at all of them is worth it. */
export const PRODUCERS_FORGOTTEN_AT_ONCE = 10_000

/**
 * Producers that are remembered when their connection has ended, so that an older one which is read late is known for one. Stops connections that come
 * and go from filling the memory.
 */
export const ENDED_PRODUCERS_MAX = 10_000

/**
 * The part of the most credit that a subscription ever had below which publishers of messages that are in no log are held for it. A client gives credit
 * back when it has used half; what one read of a socket brings fits into the rest.
 */
export const SHORT_CREDIT_SHARE: number = 3 / 8

/**
 * Milliseconds for which a publisher is held at most: longer than a process that keeps up is interrupted by its collector, or by others that want the
 * processor. Bounds what a subscriber that stands still costs those who publish.
 */
export const HOLD_MS_MAX = 100

/**
 * The part of the time for which a subscription may hold publishers, in holds however short: one that is a quarter as fast as who publishes to it loses
 * nothing, and none makes anybody slower than a quarter.
 */
export const HOLD_SHARE_MAX: number = 3 / 4

/** Milliseconds for which nobody is held for a subscription that was slower than it may be. */
export const SLOW_SUBSCRIBER_MS = 2_000

/** Seconds between signs of life when the client asks for 0 or more than this. */
export const KEEP_ALIVE_SEC_MAX = 3600

/** Filters of all subscriptions of one connection. Stops one client from filling the trie. */
export const FILTERS_PER_CONNECTION_MAX = 1000

/** Durable subscriptions of one client id. */
export const DURABLE_PER_CLIENT_MAX = 100

/** Bytes that one read for a catching-up subscription asks for. Keeps turns short and memory bounded. */
export const READ_BYTES_MAX: number = 512 * 1024

/** Bytes that one read asks for where only a few records of the log are wanted. Keeps a look at one old record from reading its neighbours. */
export const SPARSE_READ_BYTES_MAX: number = 16 * 1024

/** Unacknowledged offset ranges of one subscription. Beyond it, deliveries wait for acknowledgements. */
export const OUTSTANDING_RANGES_MAX = 10_000

/** Log scanned by a durable subscription without a persisted cursor. Bounds what a restart scans again. */
export const CURSOR_PERSIST_OFFSETS = 1_000_000

/** Seconds that a session may outlive its connection: 7 days. Stops clients that never come back from being kept for ever. */
export const SESSION_EXPIRY_SEC_MAX: number = 7 * 24 * 60 * 60

/** Sessions that are kept. Stops random client ids from filling the memory. */
export const SESSIONS_MAX = 50_000

/** Steps of the search for a new subscription's retained messages in one turn: well below 1 ms. Keeps a wildcard over a million topics from stopping everybody. */
export const RETAINED_SEARCH_STEPS = 2_000

/**
 * Retained messages that are found at once for a subscription, the oldest first; the next ones when it has got these. 16 bytes each at most: bounds
 * what one subscription allocates, however many topics there are.
 */
export const RETAINED_FOUND_AT_ONCE = 200_000

/** Ranges of retained messages that a new durable subscription begins with. Bounds the records that keep its place. */
export const RETAINED_PER_DURABLE_MAX = 100_000

/** Retention policies. Stops the search for the one that governs a topic, and records of floors, from growing without end. */
export const POLICIES_MAX = 1000

/**
 * Offsets that a durable subscription of a connection has come further than its kept place, before the place is kept for a policy that waits
 * for acknowledgements; and two for each durable subscription, so that these records do not call for the next ones.
 */
export const ACKED_CURSOR_OFFSETS = 10_000

/** Time after a start in which clients that were lost with the last broker may come back before their wills are published. */
export const CLIENTS_LOST_GRACE_MS = 5_000

/** Records of one control batch when many things change at once. */
export const RECORDS_PER_BATCH = 1000

/** How often producers that have been idle for long are looked for. */
export const PRODUCER_SWEEP_MS: number = 60 * 60 * 1000
