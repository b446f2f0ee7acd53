import { VirtualClock } from '@gomq/cluster/testing'
import type { Crc32, Offset } from '@gomq/protocol'
import { SeededRandom } from '@gomq/protocol/testing'
import { BrokerMachine, SOLO_ADDRESS } from './broker-machine.js'
import { check, type Violation, willValue } from './checker.js'
import { Cluster, clusterAddresses } from './cluster/cluster.js'
import { Witness } from './cluster/witness.js'
import { type Fault, type FaultTargets, scheduleFaults } from './fault-schedule.js'
import { History } from './history.js'
import { Network } from './network.js'
import { Operator } from './operator.js'
import type { Plant } from './plant.js'
import { Publisher } from './publisher.js'
import type { Site } from './site.js'
import { Subscriber, type SubscriberPlan } from './subscriber.js'
import { Tally } from './tally.js'
import { Trace } from './trace.js'
import type { World } from './world.js'

/** Virtual time of one step. */
const STEP_MS = 25
/** Virtual time within which everything must be well again after the last fault. */
const HEAL_MS = 60_000
/** Virtual time after which the will of a client that is gone has come: its keep-alive has run out. */
const WILLS_MS = 6_000
const START_MS = 1_700_000_000_000

/** One run. */
export interface SimulationOptions {
  readonly seed: number
  /** Length of the time with faults, in steps of 25 ms of virtual time. */
  readonly steps: number
  readonly crc32: Crc32
  /** Brokers of a cluster; 1 by default: a broker alone. */
  readonly brokers?: number
  readonly plant?: Plant | null
  /** Whether an operator gives policies to topics; true by default. */
  readonly isGoverned?: boolean
  /** Names of the faults that happen; all by default. */
  readonly faults?: readonly string[] | undefined
  /** Whether the time with faults ends, and the run with it, when an invariant breaks. */
  readonly stopsWhenCaught?: boolean
  /** Lines of the trace to keep. */
  readonly traceLinesMax?: number
  /** Resolves when all promises that can go on have done so. */
  settle(): Promise<void>
}

/** What a run came to. */
export interface SimulationResult {
  readonly seed: number
  readonly violations: readonly Violation[]
  /** What broke first: in which step of the time with faults, and after how many events. */
  readonly caught: { readonly invariant: string; readonly step: number; readonly events: number } | undefined
  /** How often each fault struck something. */
  readonly faults: Readonly<Record<string, number>>
  readonly traceHash: number
  readonly trace: readonly string[]
  /** Publishes by outcome, messages delivered and stored, ... */
  readonly counts: Readonly<Record<string, number>>
}

/** Runs broker, clients, network and disk of one seed: with faults, then without, then holds all that was seen to the promises. */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { seed, steps, crc32, settle } = options
  const { brokers = 1, plant = null, isGoverned = true, stopsWhenCaught = false, traceLinesMax = 60 } = options
  const random = new SeededRandom(seed)
  const clock = new VirtualClock(START_MS)
  const trace = new Trace(() => clock.nowMs() - START_MS, traceLinesMax)
  const history = new History()
  const faults = new Tally()
  const violations: Violation[] = []
  let faultsFromMs = START_MS
  let caught: SimulationResult['caught']
  const network = new Network(clock, random)
  const report = (invariant: string, detail: string) => {
    const step = Math.max(0, Math.ceil((clock.nowMs() - faultsFromMs) / STEP_MS))
    caught ??= { invariant, step, events: clock.events }
    violations.push({ invariant, detail })
  }
  const witness = brokers > 1 ? new Witness(report, crc32, Math.floor(brokers / 2) + 1, () => clock.nowMs()) : null
  const addresses = brokers > 1 ? clusterAddresses(brokers) : [SOLO_ADDRESS]
  const shared = { addresses, witness, plant, isGoverned, isFaulty: true, report }
  const world: World = { ...shared, clock, random, network, trace, history, faults, crc32 }
  const site: Site = brokers > 1 ? new Cluster(world, seed) : new BrokerMachine(world)

  /** Lets virtual time pass, or stops as soon as `isDone`. After each event, and what it sets going at once, all is inspected. */
  const run = async (durationMs: number, isDone: () => boolean = () => false): Promise<boolean> => {
    const untilMs = clock.nowMs() + durationMs
    for (;;) {
      await settle()
      site.inspect()
      if (isDone()) return true
      const next = clock.takeNext(untilMs)
      if (next === undefined) return isDone()
      next()
    }
  }

  const result = (): SimulationResult => {
    const { events } = clock
    const { reigns = 0, compared = 0, inspections = 0 } = witness ?? {}
    const counts = { ...countsOf(history), events, inspections, reigns, compared }
    return { seed, violations, caught, faults: faults.counts, traceHash: trace.hash, trace: trace.lines, counts }
  }
  await run(site.startMs, () => site.serving !== undefined)
  const publishers = Array.from({ length: 2 + random.below(3) }, (_, i) => new Publisher(`p${i}`, world))
  const subscribers = planSubscribers(world).map((plan) => new Subscriber(plan, world))
  const targets: FaultTargets = { publishers, subscribers }
  const operator = isGoverned ? new Operator(world, site, new SeededRandom(seed + 1_000_003)) : undefined
  const mayHappen = ({ name }: Fault) => options.faults?.includes(name) ?? true
  scheduleFaults(world, { faults: site.faults.filter(mayHappen), faultIntervalMs: site.faultIntervalMs }, targets)
  faultsFromMs = clock.nowMs()
  await run(steps * STEP_MS, () => stopsWhenCaught && caught !== undefined)
  if (stopsWhenCaught && caught !== undefined) return result()

  trace.add('world', 'heals')
  world.isFaulty = false
  site.heal()
  await run(3_000)
  for (const publisher of publishers) publisher.stop()
  operator?.stop()
  const isCalm = await run(
    HEAL_MS,
    () => site.serving !== undefined && site.isWell && publishers.every((each) => each.isIdle),
  )
  if (!isCalm) report('service resumes', 'not all is answered and well a minute after the last fault')
  for (const publisher of publishers) random.chance(0.5) ? publisher.lose() : publisher.end()
  await run(WILLS_MS)
  site.changeHands()
  await run(WILLS_MS, () => site.serving !== undefined)
  await drain(world, site, targets, run)
  for (const each of subscribers) each.end()
  await run(1_000)
  if (site.serving !== undefined) operator?.verify(site.serving)
  let isVerified = false
  void site.verify().then(() => (isVerified = true))
  if (!(await run(HEAL_MS, () => isVerified))) report('service resumes', 'a log cannot be read to its end')
  history.endMs = clock.nowMs()
  // A cluster whose brokers are cut off from each other takes no publishes, for as long as that lasts.
  for (const { invariant, detail } of check(history, brokers > 1 ? 0 : undefined)) report(invariant, detail)
  return result()
}

type Run = (durationMs: number, isDone?: () => boolean) => Promise<boolean>

/** Reads everything from the start, and lets all subscribers take what they have not had. */
async function drain(world: World, site: Site, { subscribers }: FaultTargets, run: Run): Promise<void> {
  for (const subscriber of subscribers) subscriber.drain()
  const plan: SubscriberPlan = {
    clientId: 'reader',
    filters: ['#'],
    qos: 1,
    isDurable: false,
    from: { kind: 'earliest' },
    ackShare: 0,
    pollMsMax: 5,
    prefetchMessages: 1_000,
  }
  const reader = new Subscriber(plan, world)
  reader.drain()
  const newcomer = new Subscriber({ ...plan, clientId: 'newcomer', from: { kind: 'new' }, retained: true }, world)
  newcomer.drain()
  // A new life of a durable subscription adds records to the log: its end is known only when all stand.
  await run(2_000)
  const endOffset = site.serving?.highWatermark ?? Number.POSITIVE_INFINITY
  const all = [...subscribers, reader, newcomer]
  await run(HEAL_MS, () => all.every((each) => each.isDrained))
  await run(2_000)
  for (const each of all) each.life.isDrained = each.isDrained
  if (!all.every((each) => each.life.isDrained))
    world.report('service resumes', `not everybody was handed everything below offset ${endOffset}`)
  world.history.readBack = [...reader.life.delivered]
  // It asked for what is retained, and nothing is published any more.
  world.history.retained = [...newcomer.life.delivered]
  world.history.lives.splice(world.history.lives.indexOf(newcomer.life), 1)
  reader.end()
  newcomer.end()
}

function planSubscribers({ random, clock, isGoverned }: World): SubscriberPlan[] {
  const nowMs = clock.nowMs()
  const filters = [['#'], ['a/#'], ['+/b'], ['a', 'd/+'], ['a/b/c']]
  if (isGoverned) filters.push(['q/#'], ['r/#', 'k/a'], ['#'])
  return Array.from({ length: 3 + random.below(4) }, (_, i) => {
    const isDurable = random.chance(0.6)
    const starts = [
      { kind: 'earliest' },
      { kind: 'earliest' },
      { kind: 'new' },
      { kind: 'offset', offset: 0 as Offset },
      { kind: 'time', timeMs: nowMs + random.below(50) },
    ] as const
    return {
      clientId: `s${i}`,
      filters: random.pick(filters),
      qos: random.pick([1, 2]),
      isDurable,
      from: isDurable ? { kind: 'earliest' } : random.pick(starts),
      ackShare: random.pick([0.3, 0.8, 1]),
      pollMsMax: random.pick([5, 30, 400]),
      prefetchMessages: random.pick([1, 4, 50]),
    }
  })
}

function countsOf(history: History): Record<string, number> {
  const counts: Record<string, number> = { ok: 0, fail: 0, info: 0, pending: 0 }
  for (const call of history.publishes) counts[call.outcome]!++
  counts['wills'] = history.readBack.filter(({ value }) => value.startsWith(willValue(''))).length
  counts['retained'] = history.retained.length
  counts['stored'] = history.readBack.length
  counts['delivered'] = history.lives.reduce((sum, life) => sum + life.delivered.length, 0)
  counts['cleanings'] = history.cleanings
  counts['missed'] = history.lives.reduce((sum, life) => sum + life.missed.length, 0)
  counts['policies'] = history.policies.filter(({ outcome }) => outcome === 'ok').length
  counts['acked'] = history.lives.reduce((sum, life) => sum + life.ackConfirmed.size, 0)
  return counts
}
