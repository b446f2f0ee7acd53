import type { System } from './system.js'

/** Every system by name, in the order of the tables; loaded when it is needed, so that a worker loads one client library only. */
const LOADERS: Readonly<Record<string, () => Promise<System>>> = {
  floor: async () => (await import('./floor.js')).floor,
  gomq: async () => (await import('./gomq.js')).gomq,
  'gomq-3': async () => (await import('./gomq-cluster.js')).gomqCluster,
  'nats-always': async () => (await import('./nats.js')).natsAlways,
  'nats-default': async () => (await import('./nats.js')).natsDefault,
  'redis-always': async () => (await import('./redis.js')).redisAlways,
  'redis-everysec': async () => (await import('./redis.js')).redisEverysec,
  rabbitmq: async () => (await import('./rabbitmq.js')).rabbitmq,
  mosquitto: async () => (await import('./mosquitto.js')).mosquitto,
  aedes: async () => (await import('./aedes.js')).aedes,
}

/** Measured in every run: the others are compared with them. */
const ALWAYS = ['floor', 'gomq']

/** Names for `--peers`. */
export const PEER_NAMES: readonly string[] = Object.keys(LOADERS).filter((name) => !ALWAYS.includes(name))

/** @throws Error  there is none of that name */
export async function systemNamed(name: string): Promise<System> {
  const load = LOADERS[name]
  if (load === undefined) throw new Error(`there is no system '${name}'`)
  return load()
}

/**
 * The systems of a run, in order: floor and gomq, and those that were asked for.
 * @param peers  names, or what several begin with: `redis` is `redis-always` and `redis-everysec`
 * @throws Error  nothing has that name
 */
export async function systemsFor(peers: readonly string[]): Promise<System[]> {
  const isMeant = (name: string, peer: string) => name === peer || name.startsWith(`${peer}-`)
  const unknown = peers.find((peer) => !PEER_NAMES.some((name) => isMeant(name, peer)))
  if (unknown !== undefined) throw new Error(`there is no peer '${unknown}'; one of: ${PEER_NAMES.join(', ')}`)
  const names = PEER_NAMES.filter((name) => peers.some((peer) => isMeant(name, peer)))
  return Promise.all([...ALWAYS, ...names].map(systemNamed))
}
