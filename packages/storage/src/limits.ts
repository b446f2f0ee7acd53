/**
 * Bounds of the log. Each names its unit and the stall or growth that it stops. What an operator may change is in {@link LogOptions};
 * these are the defaults and the hard edges.
 */

/** Bytes of a segment by default: 128 MiB. Bounds what one recovery reads and verifies. */
export const SEGMENT_BYTES_DEFAULT: number = 128 * 1024 * 1024

/** Bytes of a segment that no configuration exceeds: 2 GiB. Positions in an index are 32 bits wide. */
export const SEGMENT_BYTES_LIMIT: number = 2 * 1024 * 1024 * 1024

/** Bytes of the newest batches kept in memory by default: 32 MiB. */
export const TAIL_CACHE_BYTES_DEFAULT: number = 32 * 1024 * 1024

/** Bytes of loaded indexes of sealed segments by default: 64 MiB. Stops a reader of old data from filling the heap with indexes. */
export const INDEX_CACHE_BYTES_DEFAULT: number = 64 * 1024 * 1024

/** Bytes of an index file that are read or written at once: 256 KiB. Its checksum is computed in as many turns. */
export const INDEX_PIECE_BYTES: number = 256 * 1024

/** Segment files open for readers. Stops a long log from using up the process's file descriptors. */
export const OPEN_FILES_MAX = 64

/** Reads from disk at once. libuv has four threads, and a sync must never wait behind reads. */
export const COLD_READS_MAX = 2

/**
 * Bytes that go in one round if no more wait: 512 KiB; of more than twice that a round takes half. A sync is a third of the time that so much takes. A
 * producer of 100-byte messages without a pause made 3.2 million a second so and 2.6 without.
 */
export const WHOLE_ROUND_BYTES_MAX: number = 512 * 1024

/** Bytes of one round of the group commit, beyond its first batch: 8 MiB. Bounds how long those wait who come next. */
export const ROUND_BYTES_MAX: number = 8 * 1024 * 1024

/** Bytes of log between two checkpoints: 16 MiB. Bounds what may be lost unnoticed when a disk forgets the end of the log. */
export const CHECKPOINT_INTERVAL_BYTES: number = 16 * 1024 * 1024

/** Bytes of one `read` from disk, beyond its first batch: 1 MiB. Bounds how long one reader holds a thread. */
export const READ_RUN_BYTES_MAX: number = 1024 * 1024

/** Bytes of one step of a replay: 4 MiB. */
export const REPLAY_BYTES: number = 4 * 1024 * 1024

/** Bytes read or copied at once when a segment is scanned or rewritten: 4 MiB. */
export const SCAN_CHUNK_BYTES: number = 4 * 1024 * 1024

/** Bytes of a batch that is not whole in one piece of a scan, carried over to the next: 1 MiB. A longer one is read again. */
export const SCAN_CARRY_BYTES: number = 1024 * 1024

/** Bytes of a cleaned segment gathered for one write: 1 MiB. */
export const CLEANED_WRITE_BYTES: number = 1024 * 1024

/** Sealed segments opened at once by recovery: as many as libuv has threads. */
export const OPENED_AT_ONCE = 4

/** Bytes of an index file that a start reads first: 4 KiB, which hold the summary of a segment with a few hundred epochs. */
export const SUMMARY_BYTES_USUAL: number = 4 * 1024

/** Bytes at the beginning of an index file in which its summary must lie: 64 KiB. A longer one is rebuilt at each start. */
export const SUMMARY_BYTES_MAX: number = 64 * 1024

/** Snapshots kept. A damaged newest one leaves an older one. */
export const SNAPSHOTS_KEPT = 2

/** Time that one slice of a snapshot's walk may take: 1 ms. Bounds how long messages wait for it. */
export const SNAPSHOT_SLICE_MS = 1

/**
 * Bytes of a snapshot gathered for one write while the state is walked over: 128 KiB. What waits to be written lives through a scavenge, and makes it
 * longer.
 */
export const SNAPSHOT_WALK_FLUSH_BYTES: number = 128 * 1024

/** Bytes of a snapshot that are copied at once: 1 MiB. */
export const SNAPSHOT_FLUSH_BYTES: number = 1024 * 1024

/** Bytes written with zeros ahead of the log's end at once by default: 128 KiB. Bounds how long a batch waits that comes meanwhile (0.3 ms). */
export const ZERO_AHEAD_BYTES_DEFAULT: number = 128 * 1024

/**
 * A small round: at most 16 KiB. Larger ones ask for no zeros, which would write their bytes twice, and are not synced on the loop, where
 * their bytes would hold it.
 */
export const SMALL_ROUND_BYTES_MAX: number = 16 * 1024

/** Time of a small sync that is worth doing on the loop: 0.5 ms. */
export const QUICK_SYNC_MS_MAX = 0.5

/** Small syncs in the thread pool of which the shortest says how quick a disk is. */
export const QUICK_SYNC_SAMPLES = 8

/** Part of the time that the loop may be busy for syncs to come to it from the pool: three quarters. Above it the pool syncs while the loop goes on. */
export const BUSY_SHARE_MAX = 0.75

/**
 * Part of the time that the loop may be busy with other things than syncs for those of few batches to stay on it: a half. HTTP with a connection for each request has 0.6
 * to 0.7, and a batch a sync; two clients who await each publish 0.3.
 */
export const LONELY_BUSY_SHARE_MAX = 0.5

/** Batches of a sync, on average, from which it is worth its time on the loop, however busy that is. */
export const FULL_ROUND_BATCHES = 3

/** Small syncs on the loop between two looks at how busy it is. */
export const QUICK_SYNCS_A_LOOK = 64

/** Time of a sync on the loop after which the next ones are not: 2 ms. */
export const SLOW_SYNC_MS_MIN = 2

/** Bytes read at once when the cleaner goes through a segment: 256 KiB. Bodies of larger batches are passed over. */
export const WALK_CHUNK_BYTES: number = 256 * 1024

/** Milliseconds that the cleaner waits after what expired: a minute, for clocks of brokers that differ. */
export const EXPIRY_MARGIN_MS: number = 60 * 1000

/** A segment is rewritten if less than this share of its bytes lives. A log holds at most twice what lives, and the newest segments. */
export const CLEANED_BELOW_SHARE = 0.5

/** A segment of which less than this share lives is rewritten whatever the budget says: it costs little and frees much. */
export const CLEANED_ALWAYS_SHARE = 0.05

/** A neighbour is merged if it has at most so many times the bytes of those it is merged with: each byte is merged a few times at most. */
export const MERGED_FACTOR = 2

/** A neighbour is merged anyway if it has less than this share of a segment: 2 MiB of 128 MiB. */
export const MERGED_SMALL_SHARE: number = 1 / 64

/** Offsets, and milliseconds, that one segment may span: the columns of its index are 32 bits wide. */
export const SEGMENT_SPAN_MAX = 0xffff_ffff

/** Bytes of memory for the columns of segments that were surveyed: 32 MiB, about 800,000 batches. */
export const DIGEST_CACHE_BYTES: number = 32 * 1024 * 1024

/** Bytes of segments gone through once more in one turn, because what lives in them has changed: 256 MiB. */
export const RESURVEYED_BYTES_MAX: number = 256 * 1024 * 1024

/** Bytes of memory for the keys of one pass of compaction by default: 64 MiB, about 500,000 keys. */
export const COMPACTION_KEY_BYTES_DEFAULT: number = 64 * 1024 * 1024

/** Bytes for the keys of one pass that no configuration exceeds: 1 GiB. A map has room for 16 million keys. */
export const COMPACTION_KEY_BYTES_LIMIT: number = 1024 * 1024 * 1024

/** Milliseconds that the cleaner's thread rests after each read: so that it reads at most 130 MB/s and others have the disk too. */
export const CLEANING_PAUSE_MS = 2

/** Milliseconds between two tries to write to a full disk, the first time: 50 ms. A file that was just removed may be all that is missing. */
export const FULL_DISK_PAUSE_MS_MIN = 50

/** Milliseconds between two tries to write to a full disk, in the end: 1 s. Each try costs a write, a cut and a sync. */
export const FULL_DISK_PAUSE_MS_MAX = 1_000

/** Milliseconds of waiting that are left to a full disk when the log is closed or truncated: 2 s. Stops a stop from lasting for ever. */
export const FULL_DISK_GRACE_MS = 2_000
