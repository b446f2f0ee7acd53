import type { ServerResponse } from 'node:http'
import { DeliveredRecords, type DeliverPacket, GomqError, type Offset } from '@gomq/protocol'
import { crc32 } from '@gomq/protocol/node'
import type { Broker } from '../../broker.js'
import type { DoorReader, ReadingDoor } from '../../reading-door.js'
import type { HeldBytes } from './held-bytes.js'
import { messageJson } from './message-json.js'
import { problemJson } from './problem.js'

/** Time between two signs of life. Shows proxies that the stream lives, and the broker that the client has gone. */
const HEARTBEAT_INTERVAL_MS = 15_000

/** Messages and bytes that a stream may have taken and its client not read. Stops slow readers from costing memory. */
export const STREAM_CREDIT: { readonly messages: number; readonly bytes: number } = { messages: 1000, bytes: 64 * 1024 }

/** Follows a start offset in the id of what comes before it: the retained messages are still under way. */
const RETAINED_MARK = ':retained'

/** What an event stream is made of. */
export interface EventStreamOptions {
  readonly broker: Broker
  readonly response: ServerResponse
  readonly held: HeldBytes
  /** Whether the retained messages come first. */
  readonly withRetained: boolean
  /** The subscription stands and the head of the answer was sent, or it was refused. Called once. */
  onStarted(error?: GomqError): void
  /** The stream is over. Called once. */
  onOver(): void
}

/**
 * One stream of server-sent events: a message an event, its offset the id. What was written and not taken by the socket is bounded by
 * credit; the rest stays in the log.
 */
export class EventStream implements DoorReader {
  readonly #options: EventStreamOptions
  #door: ReadingDoor | undefined
  #heartbeat: NodeJS.Timeout | undefined
  #startOffset = 0
  #isStarted = false
  #isOver = false
  #isRetainedDone: boolean
  /** Delivered and not given back as credit. */
  #owedMessages = 0
  #owedBytes = 0

  constructor(options: EventStreamOptions) {
    this.#options = options
    this.#isRetainedDone = !options.withRetained
    const { response } = options
    response.on('drain', () => this.#giveBack())
    response.on('close', () => this.#finish())
    response.on('error', () => this.#finish())
  }

  /** Belongs to the stream from now on. */
  use(door: ReadingDoor): void {
    this.#door = door
    if (this.#isOver) door.end()
    else this.#giveBack()
  }

  handleSubscribed(startOffset: Offset): void {
    const { response, onStarted } = this.#options
    this.#startOffset = startOffset
    this.#isStarted = true
    onStarted()
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      connection: 'close',
    })
    // Also when nothing comes for long: a client that reconnects goes on here.
    this.#write(`: connected\n${this.#idLine(startOffset - 1)}\n`)
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_INTERVAL_MS)
  }

  handleDelivery({ header, ranges, payload }: DeliverPacket): void {
    const records =
      header === null || ranges === null
        ? DeliveredRecords.ofBatch(payload, crc32)
        : DeliveredRecords.ofPart(header, ranges, payload)
    let events = ''
    for (let index = 0; index < records.count; index++) {
      const { topic } = records
      const message = messageJson(header ?? payload, records, index)
      if (message.offset >= this.#startOffset) this.#isRetainedDone = true
      this.#owedMessages++
      this.#owedBytes += records.bytesAt(index)
      events += `${this.#idLine(message.offset)}event: message\ndata: ${JSON.stringify({ topic, ...message })}\n\n`
    }
    if (this.#write(events)) this.#giveBack()
  }

  handleTail(offset: Offset): void {
    this.#isRetainedDone = true
    if (offset > 0) this.#write(`${this.#idLine(offset - 1)}\n`)
  }

  handleMissed(from: Offset, to: Offset): void {
    this.#write(`${this.#idLine(to - 1)}event: missed\ndata: ${JSON.stringify({ from, to })}\n\n`)
  }

  handleEnded(error: GomqError): void {
    if (!this.#isStarted) {
      this.#isStarted = true
      this.#options.onStarted(error)
    } else if (!this.#isOver)
      this.#options.response.end(`event: end\ndata: ${problemJson(error.code, error.message)}\n\n`)
    this.#finish()
  }

  /**
   * Where a client goes on that has seen this event. While retained messages come, that is the start, with them; a message that is in no log
   * has no place of its own.
   */
  #idLine(offset: number): string {
    if (!this.#isRetainedDone) return this.#startOffset > 0 ? `id: ${this.#startOffset - 1}${RETAINED_MARK}\n` : ''
    return offset < 0 ? '' : `id: ${offset}\n`
  }

  /** @returns whether the client has taken it; otherwise `drain` follows. @throws GomqError LIMIT_EXCEEDED */
  #write(text: string): boolean {
    const { response, held } = this.#options
    if (this.#isOver) return false
    held.hold(response.req, Buffer.byteLength(text))
    if (!response.write(text)) return false
    held.release(response.req)
    return true
  }

  /** Everything that was written has left: as much may come again. */
  #giveBack(): void {
    const { response, held } = this.#options
    held.release(response.req)
    if (this.#owedMessages === 0 || this.#door === undefined || this.#isOver) return
    const messages = this.#owedMessages
    const bytes = this.#owedBytes
    this.#owedMessages = 0
    this.#owedBytes = 0
    this.#door.addCredit(messages, bytes)
  }

  #beat(): void {
    this.#door?.ping()
    // A client that reads nothing is not helped by more.
    if (!this.#isOver && !this.#options.response.writableNeedDrain) this.#options.response.write(': heartbeat\n\n')
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#heartbeat)
    this.#door?.end()
    this.#options.onOver()
  }
}

/**
 * Where a stream goes on after the event with this id.
 * @throws GomqError INVALID_ARGUMENT  for what is no id of ours
 */
export function placeAfter(lastEventId: string): { readonly offset: Offset; readonly retained: boolean } {
  const match = /^(\d{1,15})(:retained)?$/.exec(lastEventId)
  if (match !== null) return { offset: (Number(match[1]) + 1) as Offset, retained: match[2] !== undefined }
  throw new GomqError('INVALID_ARGUMENT', 'the header Last-Event-ID is no id of an event of this broker; leave it out')
}
