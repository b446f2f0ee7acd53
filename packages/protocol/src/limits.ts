/**
 * Bounds of the formats. Each names its unit and the attack or stall it stops. What an operator may change lives in the
 * broker's configuration; these are the hard edges that every reader checks before it allocates.
 */

/** Bytes of a topic name or filter in UTF-8 [MQTT-4.7.3-3]. Stops topics from being used as storage. */
export const TOPIC_BYTES_MAX = 65_535

/** Levels (parts between `/`) of a topic name or filter. Stops deep topics from exhausting a stack or the trie (CVE-2019-11779). */
export const TOPIC_LEVELS_MAX = 200

/** Records in one batch. Stops a table of positions from dwarfing the records it points to. */
export const BATCH_RECORDS_MAX = 65_536

/** Bytes of one message's value by default: 4 MiB; an operator may raise it to {@link MESSAGE_BYTES_LIMIT}. */
export const MESSAGE_BYTES_MAX_DEFAULT: number = 4 * 1024 * 1024

/** Bytes of one message's value that no configuration exceeds: 64 MiB. */
export const MESSAGE_BYTES_LIMIT: number = 64 * 1024 * 1024

/** Bytes that key, headers and framing may add to a value in one record: 64 KiB. Stops headers from being used as storage. */
export const RECORD_OVERHEAD_BYTES_MAX: number = 64 * 1024

/** Headers of one record. Stops hash flooding by header names. */
export const RECORD_HEADERS_MAX = 64

/**
 * Bytes of a compressed batch when it is not compressed: 1 MiB, header, topic and table included. Stops a small batch from growing without end
 * where it is decompressed (a bomb), and bounds how long that holds up others: about 3 ms.
 */
export const INFLATED_BATCH_BYTES_MAX: number = 1024 * 1024

/** Bytes that one byte of a DEFLATE stream can stand for: the longest copy has 258 bytes and takes two bits [RFC 1951]. */
export const DEFLATE_RATIO_MAX = 1032

/** Bytes of records below which a batch is not compressed: setting up the compressor would take longer than it saves. */
export const COMPRESSED_RECORDS_BYTES_MIN = 1024

/** Bytes of a frame before the connection is established: 64 KiB. Stops strangers from making the broker buffer (CVE-2017-7651). */
export const CONNECT_FRAME_BYTES_MAX: number = 64 * 1024

/** Bytes that a frame may need beside one message of the greatest size: batch header, topic, key, headers, packet fields. */
export const FRAME_OVERHEAD_BYTES: number = 256 * 1024

/** Bytes of the greatest frame that carries a message of `messageBytesMax`. */
export function frameBytesMaxFor(messageBytesMax: number): number {
  return messageBytesMax + FRAME_OVERHEAD_BYTES
}

/** Nesting of msgpack arrays and maps that a frame may have. Stops stack overflow in decoders. */
export const MSGPACK_DEPTH_MAX = 8

/** Elements (of arrays and maps together) that one frame may have. Stops a small frame from decoding into a large heap. */
export const MSGPACK_ELEMENTS_MAX = 100_000

/** Bytes of a client id in UTF-8. Stops identifiers from being used as storage. */
export const CLIENT_ID_BYTES_MAX = 256

/** Bytes of the name of a durable subscription in UTF-8. */
export const SUBSCRIPTION_NAME_BYTES_MAX = 1024

/** Topic filters in one SUBSCRIBE. */
export const FILTERS_PER_SUBSCRIBE_MAX = 64

/** Half-open offset ranges in one ACK packet. A client with more of them sends several packets. */
export const ACK_RANGES_MAX = 4096
