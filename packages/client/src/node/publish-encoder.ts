import {
  Attribute,
  GomqError,
  MESSAGE_BYTES_MAX_DEFAULT,
  RECORD_OVERHEAD_BYTES_MAX,
  recordBytesBound,
  utf8Bytes,
  validateTopicName,
} from '@gomq/protocol'
import type { PublishRequest } from '../session/publish-request.js'
import { encodeValue } from '../session/value-codec.js'
import { headersOption, integerOption, type PublishOptions } from './options.js'

/** Turns what an application publishes into records, checked. */
export class PublishEncoder {
  /** Greatest value of a message; the broker's own bound once it is known. */
  messageBytesMax: number = MESSAGE_BYTES_MAX_DEFAULT
  readonly #timeoutMs: number
  #lastTopic = ''

  /** @param timeoutMs  of messages that name none */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /**
   * One message, encoded.
   * @param nowMs  its time, where the application gives none
   * @throws GomqError INVALID_TOPIC, NOT_AUTHORIZED, INVALID_ARGUMENT, MESSAGE_TOO_LARGE, LIMIT_EXCEEDED  what the broker would refuse
   */
  encode(topic: string, value: unknown, options: PublishOptions, nowMs: number): PublishRequest {
    // Producers mostly publish to the topic they published to before.
    if (topic !== this.#lastTopic) {
      validateTopicName(topic)
      if (topic.startsWith('$'))
        throw new GomqError('NOT_AUTHORIZED', `topics that begin with '$' belong to the broker; publish to another`)
      this.#lastTopic = topic
    }
    const { key = null, qos = 1, retain = false, timestamp, ttlMs } = options
    if (qos !== 0 && qos !== 1 && qos !== 2)
      throw new GomqError('INVALID_ARGUMENT', `qos is ${String(qos)}; expected 0, 1 or 2`)
    const encoded = encodeValue(value, headersOption(options.headers))
    this.#checkSize(encoded.value, key, encoded.headers)
    return {
      topic,
      attributes:
        qos |
        (retain ? Attribute.RETAIN : 0) |
        (key === null ? 0 : Attribute.KEYED) |
        (ttlMs === undefined ? 0 : Attribute.EXPIRING),
      ttlMs: ttlMs === undefined ? 0 : integerOption('ttlMs', ttlMs, 1, Number.MAX_SAFE_INTEGER),
      timestampDeltaMs: 0,
      key,
      value: encoded.value,
      headers: encoded.headers,
      timestampMs:
        timestamp === undefined ? nowMs : integerOption('timestamp', Number(timestamp), 0, Number.MAX_SAFE_INTEGER),
      timeoutMs: options.timeoutMs ?? this.#timeoutMs,
    }
  }

  #checkSize(value: string | Uint8Array, key: PublishRequest['key'], headers: PublishRequest['headers']): void {
    const bytesMax = this.messageBytesMax
    let bytes = typeof value === 'string' ? value.length * 3 : value.byteLength
    if (bytes > bytesMax && typeof value === 'string') bytes = utf8Bytes(value)
    if (bytes > bytesMax)
      throw new GomqError('MESSAGE_TOO_LARGE', `the message has ${bytes} bytes; the broker takes at most ${bytesMax}`)
    if (key === null && headers === null) return
    const overhead = recordBytesBound({ timestampDeltaMs: 0, key, value: '', headers })
    if (overhead > RECORD_OVERHEAD_BYTES_MAX) {
      const message = `key and headers may take ${overhead} bytes; at most ${RECORD_OVERHEAD_BYTES_MAX} are allowed`
      throw new GomqError('LIMIT_EXCEEDED', message)
    }
  }
}
