/** How often a leader gives a sign of life to each member, and looks at who lags. */
export const TICK_MS = 250

/** How often a broker renews its lease and reads the coordinator's view (R17). */
export const ROUND_MS = 1000

/** Taken off what a lease was granted for: a leader stops this long before the coordinator can have let it go (R17). */
export const LEASE_MARGIN_MS = 1000

/** How long a broker waits before it tries again what its disk had no room for. */
export const RETRY_MS = 1000

/** Bytes that may be under way to one member unconfirmed; more would only pile up in front of a slow one. */
export const WINDOW_BYTES: number = 8 * 1024 * 1024

/** Bytes of one `append`. Soft: a batch that is larger goes alone. */
export const APPEND_BYTES_MAX: number = 1024 * 1024

/** Bytes of one piece of a snapshot. */
export const CHUNK_BYTES: number = 256 * 1024

/** Pieces of a snapshot that may be under way unconfirmed: a member with a slow disk would otherwise keep the whole snapshot in memory. */
export const CHUNKS_IN_FLIGHT_MAX = 16

/** Messages that may wait at a member for its disk. The leader's window and signs of life keep far below; a peer that passes it is cut off. */
export const INBOX_MESSAGES_MAX = 16_384

/** How long a member may be silent while it cuts its log or installs a snapshot, before its link is opened anew. */
export const BUSY_MS_MAX = 60_000
