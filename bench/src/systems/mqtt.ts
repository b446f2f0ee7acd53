import mqtt, { type MqttClient } from 'mqtt'
import {
  type Client,
  type ConnectOptions,
  type ConsumeJob,
  type PublishJob,
  type System,
  TOPIC,
  windowFor,
} from './system.js'
import { publishInWindow } from './window.js'

/** Unacknowledged messages of a producer at most: packet ids end at 65,535, and more in flight makes no broker faster. */
const WINDOW = 1000

/** The client's side of any broker that speaks MQTT: mqtt.js over 3.1.1, sessions that stay, QoS 1. */
export const mqttClient: Pick<System, 'prepare' | 'connect'> = {
  prepare: async (address, { subscribers, filter }) => {
    for (const clientId of subscribers) {
      const client = await mqtt.connectAsync(`mqtt://${address}`, { ...OPTIONS, clientId, clean: false })
      await client.subscribeAsync(filter, { qos: 1 })
      await client.endAsync()
    }
  },
  connect: async (address, options) => MqttConnection.open(address, options),
}

const OPTIONS = { protocolVersion: 4, reconnectPeriod: 0, keepalive: 0 } as const

class MqttConnection implements Client {
  readonly #client: MqttClient
  readonly #window: number
  #onMessage: ((value: Uint8Array) => void) | undefined
  /** What a session's broker sent before somebody asked for it. */
  #early: Uint8Array[] = []
  #isClosing = false

  private constructor(client: MqttClient, messageBytes: number) {
    this.#client = client
    this.#window = windowFor(WINDOW, messageBytes)
    client.on('message', (_topic, value) => {
      if (this.#onMessage !== undefined) this.#onMessage(value)
      else this.#early.push(value)
    })
    client.on('error', (error) => {
      // A broker that goes on sending to one who leaves: mqtt.js answers into the closed socket.
      if (!this.#isClosing) throw error
    })
    client.on('close', () => {
      if (!this.#isClosing) throw new Error('the broker closed the connection')
    })
  }

  static async open(address: string, { clientId, isDurable, messageBytes }: ConnectOptions): Promise<MqttConnection> {
    const client = mqtt.connect(`mqtt://${address}`, { ...OPTIONS, clientId, clean: !isDurable })
    const connection = new MqttConnection(client, messageBytes)
    await new Promise<void>((resolve) => client.once('connect', () => resolve()))
    return connection
  }

  publishAll(job: PublishJob): Promise<void> {
    const { qos } = job
    return publishInWindow(job, this.#window, (topic, value) => this.#publish(topic, value, qos))
  }

  publish(value: Uint8Array): Promise<void> {
    return this.#publish(TOPIC, value, 1)
  }

  async consume(job: ConsumeJob): Promise<void> {
    if (job.qos === 0) await this.#client.subscribeAsync(TOPIC, { qos: 0 })
    this.#onMessage = (value) => job.onMessage(value)
    for (const value of this.#early) job.onMessage(value)
    this.#early = []
  }

  async close(): Promise<void> {
    this.#isClosing = true
    await this.#client.endAsync()
  }

  #publish(topic: string, value: Uint8Array, qos: 0 | 1): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#client.publish(topic, value as Buffer, { qos }, (error) => (error ? reject(error) : resolve())),
    )
  }
}
