/**
 * When each message of one producer is to be sent, whatever becomes of those before it. Latencies that count from these times show what a
 * broker that stalls costs those who come meanwhile; counted from the time of sending, a stall would cost one message only ("coordinated omission").
 *
 * The producers take turns, so that all together keep the rate evenly:
 *
 *     rate 1000/s, 2 producers:   0 ms  first   1 ms  second   2 ms  first ...
 */
export class OpenLoop {
  readonly #firstMs: number
  readonly #stepMs: number

  /**
   * @param startMs     when the first producer sends its first message
   * @param ratePerSec  of all producers together, above 0
   * @param producer    which of them, from 0
   */
  constructor(startMs: number, ratePerSec: number, producer: number, producers: number) {
    this.#firstMs = startMs + (producer * 1000) / ratePerSec
    this.#stepMs = (producers * 1000) / ratePerSec
  }

  /** When the message with this sequence, from 0, is to be sent. */
  intendedMs(sequence: number): number {
    return this.#firstMs + sequence * this.#stepMs
  }
}

/** Messages that one of the producers has to send so that all send `messages` together; the first ones send one more where it does not divide. */
export function shareOf(messages: number, producer: number, producers: number): number {
  return Math.floor(messages / producers) + (producer < messages % producers ? 1 : 0)
}
