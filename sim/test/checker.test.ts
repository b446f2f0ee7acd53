import { type Offset, RETENTION_DEFAULTS, type RetentionPolicy } from '@gomq/protocol'
import { describe, expect, it } from 'vitest'
import { check, willValue } from '../src/checker.js'
import { History, type PublishCall, type SubscriptionLife } from '../src/history.js'

/** Three acknowledged publishes of one producer, read back by all. */
function soundHistory(): { history: History; durable: SubscriptionLife; ephemeral: SubscriptionLife } {
  const history = new History()
  for (let sequence = 0; sequence < 3; sequence++) history.publishes.push(publish(sequence))
  history.readBack = [0, 1, 2].map(message)
  const ephemeral = life('e', null)
  const durable = life('d', 'd')
  history.lives.push(ephemeral, durable)
  for (const each of [0, 1, 2]) {
    ephemeral.delivered.push(message(each))
    durable.delivered.push(message(each))
  }
  return { history, durable, ephemeral }
}

function publish(sequence: number): PublishCall {
  return {
    publisher: 'p',
    sequence,
    topic: 'a',
    isLogged: true,
    isRetained: false,
    key: null,
    isTombstone: false,
    calledMs: 1_000,
    duringFaults: true,
    outcome: 'ok',
    offset: sequence + 10,
  }
}

function message(sequence: number) {
  return { offset: (sequence + 10) as Offset, topic: 'a', value: `p#${sequence}` }
}

function life(subscriber: string, durable: string | null): SubscriptionLife {
  const from = { kind: 'earliest' } as const
  const [ackCalled, ackConfirmed] = [new Set<number>(), new Map<number, number>()]
  const sound = { delivered: [], missed: [], connections: 1, subscribedMs: 0, isDrained: true }
  return { subscriber, filters: ['a'], durable, from, ...sound, ackCalled, ackConfirmed }
}

function putPolicy(history: History, policy: Partial<RetentionPolicy>): void {
  history.endMs = 2_000
  history.policies.push({ filter: 'a', policy: { filter: 'a', ...RETENTION_DEFAULTS, ...policy }, outcome: 'ok' })
}

type Sound = ReturnType<typeof soundHistory>

const BROKEN: { readonly [invariant: string]: (sound: Sound) => void } = {
  'no lost write': ({ history }) => void history.readBack.pop(),
  'no duplicates': ({ history }) => void history.readBack.push({ ...message(2), offset: 13 as Offset }),
  'no aborted read': ({ history }) => void (history.publishes[1]!.outcome = 'fail'),
  'order per producer and topic': ({ history }) => void history.readBack.reverse(),
  'one value per offset': ({ ephemeral }) => void (ephemeral.delivered[1] = { ...message(1), value: 'p#2' }),
  'nothing appears': ({ history }) => void history.publishes.shift(),
  'topics stay': ({ history }) => void (history.readBack[0] = { ...message(0), topic: 'b' }),
  'filters hold': ({ ephemeral }) => void (ephemeral.delivered[0] = { ...message(0), topic: 'b' }),
  'nothing above what survives': ({ ephemeral }) => void ephemeral.delivered.push({ ...message(3) }),
  'no repeated delivery': ({ durable }) => void durable.delivered.push(message(2)),
  'polls only go on': ({ ephemeral }) => void ephemeral.delivered.reverse(),
  'no skipped message': ({ ephemeral }) => void ephemeral.delivered.splice(1, 1),
  'nothing unacknowledged is skipped': ({ durable }) => void durable.delivered.splice(1, 1),
  'durable subscriptions resume': ({ durable }) => void (durable.isDrained = false),
  'every promise settles': ({ history }) => void history.call('subscribe'),
  'enough succeeds': ({ history }) => history.publishes.forEach((call) => void (call.outcome = 'info')),
  'confirmed acks are final': ({ history, durable }) => {
    durable.ackConfirmed.set(12, 100)
    history.arrive(durable, [11, 12], 101)
  },
  'retained is the newest': ({ history }) =>
    void history.publishes.push({ ...history.publishes.pop()!, isRetained: true }),
  'wills come once': ({ history }) => {
    history.wills.push({ name: 'p', connections: 1, isLost: true })
    for (const offset of [20, 21] as Offset[]) history.readBack.push({ offset, topic: 'w', value: willValue('p') })
  },
  'wills come': ({ history }) => void history.wills.push({ name: 'p', connections: 1, isLost: true }),
  'nothing is missed without a policy': ({ ephemeral }) => void ephemeral.missed.push([10, 12]),
  'what is missed is told': ({ history, ephemeral }) => {
    putPolicy(history, { maxCount: 1 })
    ephemeral.delivered.splice(1, 1)
  },
  'no key comes back': ({ history }) => {
    putPolicy(history, { isCompacted: true, tombstoneMs: 0 })
    history.publishes.forEach((call, i) => {
      history.publishes[i] = { ...call, key: 'k', isTombstone: i === 2 }
    })
    history.readBack.pop()
  },
  'QoS 0 at most once': ({ ephemeral }) => {
    const unlogged = { offset: -1 as Offset, topic: 'a', value: 'p#9' }
    ephemeral.delivered.push(unlogged, unlogged)
  },
}

describe('the checker', () => {
  it('finds nothing in a sound history', () => expect(check(soundHistory().history)).toEqual([]))

  for (const [invariant, breakIt] of Object.entries(BROKEN)) {
    it(`sees a broken '${invariant}'`, () => {
      const sound = soundHistory()
      breakIt(sound)
      expect(check(sound.history).map((violation) => violation.invariant)).toContain(invariant)
    })
  }

  it('takes a message that was sent before its ack was confirmed elsewhere for sound, however late it arrives', () => {
    const { history, durable } = soundHistory()
    const successor = life('d.2', 'd')
    history.lives.push(successor)
    successor.delivered.push(...durable.delivered)
    durable.ackConfirmed.set(12, 100)
    history.arrive(successor, [12], 100)
    expect(check(history)).toEqual([])
  })

  it.each([
    ['surely', 'ok', true],
    ['perhaps', 'info', false],
  ] as const)(
    'a topic that %s has a policy of its own, which keeps all, is governed by no wider one: %s',
    (_, outcome, isKept) => {
      const { history } = soundHistory()
      const own = { filter: 'a', ...RETENTION_DEFAULTS }
      history.policies.push({ filter: 'a', policy: own, outcome })
      history.policies.push({ filter: '+', policy: { ...own, filter: '+', maxCount: 0 }, outcome: 'ok' })
      history.endMs = 2_000
      history.readBack.shift()
      const lost = check(history).filter(({ invariant }) => invariant === 'no lost write')
      expect(lost).toHaveLength(isKept ? 1 : 0)
    },
  )

  it('sees a message that was sent to any process of a client after another learnt that its ack is safe', () => {
    const { history, durable } = soundHistory()
    history.lives.push({ ...life('d.2', 'd'), ackConfirmed: new Map([[12, 100]]), delivered: durable.delivered })
    history.arrive(durable, [12], 101)
    expect(check(history)).toEqual([
      { invariant: 'confirmed acks are final', detail: 'd was sent offset 12 again after its confirmed ack' },
    ])
  })

  it('lets go what a policy may have taken, and nothing newer', () => {
    const { history, ephemeral, durable } = soundHistory()
    putPolicy(history, { maxCount: 1 })
    history.readBack.splice(0, 2)
    expect(check(history)).toEqual([])
    history.readBack.pop()
    for (const life of [ephemeral, durable]) life.delivered.pop()
    expect(check(history).map(({ invariant }) => invariant)).toContain('no lost write')
  })
})
