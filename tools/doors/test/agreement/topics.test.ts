import { expect, test } from 'vitest'
import { topicFilters } from '../../../../apps/broker/src/node/http/field.js'
import { parsePublish } from '../../../../apps/broker/src/node/http/publish-request.js'
import { globalOptions } from '../../../../apps/gomqctl/src/global-options.js'
import { oneTopic } from '../../../../apps/gomqctl/src/options.js'
import { validateTopicFilter, validateTopicName } from '../../../../packages/protocol/src/index.js'
import { hostileText, SeededRandom } from '../../../../packages/protocol/src/testing/index.js'

const STRINGS = process.env['GOMQ_LONG'] === '1' ? 1_000_000 : 20_000
const SEED = Number(process.env['GOMQ_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** What is said against a string; undefined if it is taken. */
function complaintOf(check: () => unknown): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function parserOf(flag: string): (text: string) => unknown {
  const parse = globalOptions().find(({ long }) => long === flag)?.parseArg
  if (parse === undefined) throw new Error(`${flag} is taken without a look`)
  return (text) => parse(text, undefined)
}

const FIELD = topicFilters(64, '')
const topicOption = parserOf('--topic')
const willTopicOption = parserOf('--will-topic')

const DOORS_OF_NAMES: Readonly<Record<string, (topic: string) => unknown>> = {
  'POST /pub': (topic) => parsePublish(JSON.parse(JSON.stringify({ topic, body: '' })), 1024),
  'gomqctl --topic pub': (topic) => oneTopic({ topic: topicOption(topic) as string[] }),
  'gomqctl --will-topic': willTopicOption,
}

const DOORS_OF_FILTERS: Readonly<Record<string, (filter: string) => unknown>> = {
  'GET /v1/subscribe': (filter) => FIELD.parse(filter, 'topic'),
  'gomqctl --topic': topicOption,
}

test.each([
  ['names', validateTopicName, DOORS_OF_NAMES],
  ['filters', validateTopicFilter, DOORS_OF_FILTERS],
])(
  `all doors agree on topic %s, of ${STRINGS} strings (GOMQ_SEED=${SEED})`,
  (kind, native, doors) => {
    const random = new SeededRandom(SEED)
    let taken = 0
    for (let i = 0; i < STRINGS; i++) {
      const text = hostileText(random)
      const expected = complaintOf(() => native(text))
      if (expected === undefined) taken++
      for (const [door, check] of Object.entries(doors)) {
        const complaint = complaintOf(() => check(text))
        // Of a name gomqctl asks first whether it is a filter, so that the words may be those about filters.
        const isAgreed =
          kind === 'names' ? (complaint === undefined) === (expected === undefined) : complaint === expected
        if (!isAgreed)
          throw new Error(`${door} says of ${JSON.stringify(text)}: ${complaint}; native says: ${expected}`)
      }
    }
    expect(taken).toBeGreaterThan(STRINGS / 10)
    expect(taken).toBeLessThan(STRINGS * 0.9)
  },
  600_000,
)
