import type { Server, Usage } from '../systems/system.js'

/** Several servers that are measured as one. */
export class ServerGroup implements Server {
  address = ''
  readonly #starting: Promise<Server>[] = []
  #servers: Server[] = []

  /** Takes a server that is being started. */
  async add<S extends Server>(starting: Promise<S>): Promise<S> {
    this.#starting.push(starting)
    const server = await starting
    this.#servers.push(server)
    return server
  }

  usage(): Usage {
    const all = this.#servers.map((server) => server.usage())
    const sum = (field: keyof Usage) => all.reduce((total, usage) => total + usage[field], 0)
    return {
      cpuSec: sum('cpuSec'),
      kernelSec: sum('kernelSec'),
      rssBytes: sum('rssBytes'),
      rssBytesMax: sum('rssBytesMax'),
    }
  }

  /** Ends all, in the opposite order, also those that are still being started. */
  async stop(): Promise<void> {
    await Promise.allSettled(this.#starting)
    for (const server of this.#servers.reverse()) await server.stop()
    this.#servers = []
  }
}
