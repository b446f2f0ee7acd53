import { get, type IncomingMessage } from 'node:http'
import type { HttpTarget } from './http-client.js'

/** One event of a stream. */
export interface StreamEvent {
  id: string | undefined
  event: string | undefined
  data: string | undefined
}

/** A client of server-sent events that keeps what it gets, and its last event id as a browser does. */
export class EventSource {
  readonly events: StreamEvent[] = []
  readonly comments: string[] = []
  lastEventId: string | undefined
  isEnded = false
  readonly #incoming: IncomingMessage

  private constructor(incoming: IncomingMessage) {
    this.#incoming = incoming
    let rest = ''
    incoming.setEncoding('utf8')
    incoming.on('data', (chunk: string) => {
      const blocks = (rest + chunk).split('\n\n')
      rest = blocks.pop()!
      for (const block of blocks) this.#take(block)
    })
    incoming.on('error', () => undefined)
    incoming.on('close', () => {
      this.isEnded = true
    })
  }

  /** Opens a stream; throws what the broker answers instead. */
  static open(broker: HttpTarget, path: string, lastEventId?: string): Promise<EventSource> {
    return new Promise((resolve, reject) => {
      const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
      const request = get({ host: '127.0.0.1', port: broker.http!.port, path, agent: false, headers })
      request.on('error', reject)
      request.on('response', (incoming) => {
        if (incoming.statusCode === 200) resolve(new EventSource(incoming))
        else {
          let body = ''
          incoming.on('data', (chunk: Buffer) => {
            body += chunk.toString()
          })
          incoming.on('end', () => reject(new Error(body)))
        }
      })
    })
  }

  /** The messages so far. */
  get messages(): Record<string, unknown>[] {
    return this.events
      .filter(({ event }) => event === 'message')
      .map(({ data }) => JSON.parse(data!) as Record<string, unknown>)
  }

  get values(): unknown[] {
    return this.messages.map(({ value }) => value)
  }

  pause(): void {
    this.#incoming.pause()
  }

  resume(): void {
    this.#incoming.resume()
  }

  close(): void {
    this.#incoming.destroy()
  }

  #take(block: string): void {
    const event: StreamEvent = { id: undefined, event: undefined, data: undefined }
    for (const line of block.split('\n')) {
      const [, name, value] = /^([^:]*): (.*)$/.exec(line) ?? []
      if (name === '') this.comments.push(value!)
      else if (name === 'id') event.id = this.lastEventId = value
      else if (name === 'event') event.event = value
      else if (name === 'data') event.data = value
    }
    if (event.data !== undefined) this.events.push(event)
  }
}
