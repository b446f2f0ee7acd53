/** Bounds of the broker's connections. Each names its unit and the attack or stall it stops. */

/** Time from the connection's start to a complete CONNECT. Stops connections that never speak, or speak a byte a second. */
export const CONNECT_TIMEOUT_MS = 10_000

/** Output of one connection above which it gets no more deliveries and is not read from. Stops a slow consumer from costing memory. */
export const PENDING_OUTPUT_BYTES_MAX: number = 1024 * 1024

/** Output of one connection below which it goes on. */
export const PENDING_OUTPUT_BYTES_LOW: number = 512 * 1024

/** Time above the bound without a byte leaving, after which the connection is closed with SLOW_CONSUMER. */
export const OUTPUT_STALL_MS = 10_000

/** Bytes of incomplete frames over all connections. Stops many senders of half a frame from filling the memory. */
export const PARTIAL_FRAMES_BYTES_MAX: number = 256 * 1024 * 1024

/** Frames up to this size are copied into one chunk with their neighbours; greater payloads go by reference. */
export const JOINED_FRAME_BYTES_MAX: number = 8 * 1024

/** Log written since the last snapshot that makes a graceful stop write one more: a start then has little to replay. */
export const SHUTDOWN_SNAPSHOT_BYTES: number = 4 * 1024 * 1024

/** Time between two looks at the free space of the disk. Others write there too. */
export const DISK_LOOK_INTERVAL_MS = 1_000

/** Part of the reserve that must be free above it before publishes are taken again. Stops a broker from changing its mind at each look. */
export const DISK_RESUME_SHARE: number = 1 / 8

/** Retained messages that are gone through at once for a cleaning, where the clock does not say before that a millisecond is over. */
export const PINNED_SLICE_OFFSETS = 8_192

/** Time that a leader who stops waits for what is on its way to commit, and then for another to be able to lead. Stops a cluster that stands still from keeping the process. */
export const HANDOVER_TIMEOUT_MS = 5_000

/** Time that a broker which has failed takes to leave its cluster, so that another leads at once; then the process ends all the same. */
export const LEAVING_TIMEOUT_MS = 500
