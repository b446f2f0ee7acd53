import { type Offset, type Packet, PacketType } from '@gomq/protocol'
import { expect, test } from 'vitest'
import type { PublishAck } from '../../src/session/publish-batch.js'
import type { SubscriptionState } from '../../src/session/subscription-state.js'
import { message } from '../harness/messages.js'
import { ScriptedBroker } from '../harness/scripted-broker.js'
import { DEAF, DURABLE, drain, SessionPair } from '../harness/session-pair.js'

const NAMES = new Map<number, string>(Object.entries(PacketType).map(([name, type]) => [type, name]))

/** A packet in words: its name and the fields that tell the story. */
function inWords(packet: Packet): string {
  const left = ['versionMin', 'versionMax', 'features', 'namespace', 'authMethod', 'authData', 'brokerVersion']
  const fields = Object.entries(packet)
    .filter(([name]) => name !== 'type' && !left.includes(name))
    .map(([name, value]) => {
      if (value instanceof Uint8Array) return `${name}=${value.byteLength}B`
      return `${name}=${typeof value === 'object' ? JSON.stringify(value) : value}`
    })
  return `${NAMES.get(packet.type)} ${fields.join(' ')}`.trimEnd()
}

/** Plays client and broker against each other and writes down everything that crosses, and what the application sees. */
class Story {
  readonly pair = new SessionPair()
  readonly broker = new ScriptedBroker()
  readonly lines: string[] = []

  say(line: string): void {
    this.lines.push(`# ${line}`)
  }

  open(): void {
    this.pair.session.handleOpen(this.pair.nowMs)
    this.run()
  }

  lose(): void {
    this.say('the connection is lost')
    this.pair.take()
    this.pair.session.handleClosed()
    this.broker.handleClosed()
  }

  receive(...packets: Packet[]): void {
    for (const packet of packets) {
      this.lines.push(`< ${inWords(packet)}`)
      this.pair.session.handlePacket(packet, this.pair.nowMs)
    }
    this.run()
  }

  /** @param answers  whether the broker answers */
  run(answers = true): void {
    for (;;) {
      this.pair.session.flush(this.pair.nowMs)
      const packets = this.pair.take()
      if (packets.length === 0) return
      for (const packet of packets) {
        this.lines.push(`> ${inWords(packet)}`)
        for (const answer of answers ? this.broker.handle(packet) : []) {
          this.lines.push(`< ${inWords(answer)}`)
          this.pair.session.handlePacket(answer, this.pair.nowMs)
        }
      }
    }
  }

  publish(text: string): void {
    const told = (what: string) => this.lines.push(`  publish '${text}': ${what}`)
    const waiter = {
      resolve: (ack: PublishAck) => void told(`offset ${ack.offset}, ${ack.durability}`),
      reject: (error: Error) => void told(String(error)),
    }
    this.pair.session.publish(message('t/a', text), waiter, this.pair.nowMs)
  }

  subscribe(): SubscriptionState {
    const waiter = {
      resolve: () => void this.lines.push('  subscribed'),
      reject: (error: Error) => void this.lines.push(`  subscribe: ${error}`),
    }
    const listener = {
      ...DEAF,
      handleMissed: (from: Offset, to: Offset) => void this.lines.push(`  missed ${from} to ${to}`),
    }
    return this.pair.session.subscribe(DURABLE, listener, waiter, this.pair.nowMs)
  }

  read(state: SubscriptionState): void {
    for (const [offset, text] of drain(state)) this.lines.push(`  message ${offset} '${text}'`)
  }

  ack(state: SubscriptionState, offset: number): void {
    state.ack(offset as never)?.onSettled((error) => this.lines.push(`  ack ${offset}: ${error ?? 'done'}`))
  }

  async matches(name: string): Promise<void> {
    await expect(`${this.lines.join('\n')}\n`).toMatchFileSnapshot(`../golden/${name}.txt`)
  }
}

test('connect', async () => {
  const story = new Story()
  story.open()
  await story.matches('connect')
})

test('publish: the first message goes at once, the others together', async () => {
  const story = new Story()
  story.open()
  for (const text of ['one', 'two', 'three']) story.publish(text)
  story.run()
  await story.matches('publish')
})

test('reconnect: what was not answered goes out again and is stored once', async () => {
  const story = new Story()
  story.open()
  story.publish('one')
  story.say('the broker stores it and the answer is lost')
  story.pair.session.flush(story.pair.nowMs)
  for (const packet of story.pair.take()) story.broker.handle(packet)
  story.lose()
  story.publish('two')
  story.open()
  story.say(`stored: ${story.broker.model.stored.map((each) => each.text)}`)
  await story.matches('reconnect-with-resend')
})

test('durable resume: nothing comes twice, and an acknowledgement without an answer is repeated', async () => {
  const story = new Story()
  story.open()
  const state = story.subscribe()
  story.run()
  story.receive(...story.broker.append('t/a', 'x', 'y', 'z'))
  story.read(state)
  story.ack(state, 0)
  story.run(false)
  story.lose()
  story.open()
  story.read(state)
  story.receive(...story.broker.append('t/a', 'new'))
  story.read(state)
  await story.matches('durable-resume')
})

test('overtaken by retention: the stretch is told, and the subscription goes on behind it', async () => {
  const story = new Story()
  story.open()
  const state = story.subscribe()
  story.run()
  story.receive(...story.broker.append('t/a', 'x'))
  story.read(state)
  story.broker.append('t/a', 'gone')
  story.say('the broker stores another, which is gone before it is delivered')
  story.receive({ type: PacketType.MISSED, subscriptionId: state.id, from: 1 as Offset, to: 20 as Offset })
  story.receive(...story.broker.append('t/a', 'y'))
  story.read(state)
  await story.matches('missed')
})

test('expelled by a take-over: everything ends with the reason', async () => {
  const story = new Story()
  story.open()
  const state = story.subscribe()
  story.run()
  story.publish('late')
  story.receive({
    type: PacketType.DISCONNECT,
    code: 'SESSION_TAKEN_OVER',
    message: 'another connection uses the client id',
  })
  const error = story.pair.expelled[0]!
  story.pair.session.end(error, error)
  story.say(`the subscription ended: ${state.end}`)
  await story.matches('expelled-by-take-over')
})
