import { GomqError } from './errors.js'
import { TOPIC_BYTES_MAX, TOPIC_LEVELS_MAX } from './limits.js'
import { utf8Bytes } from './utf8.js'

/**
 * Checks a topic name: 1 to 65,535 bytes of UTF-8, at most 200 levels between `/`, no NUL, no lone surrogate, and none of the
 * wildcards `+` and `#` [MQTT-4.7.1-1, MQTT-4.7.3-1, MQTT-4.7.3-2, MQTT-1.5.4-1]. Every door uses this check.
 * @throws GomqError INVALID_TOPIC
 */
export function validateTopicName(topic: string): void {
  checkText(topic, 'INVALID_TOPIC', 'topic name')
  if (topic.includes('+') || topic.includes('#')) {
    refuse(
      'INVALID_TOPIC',
      `topic name ${quote(topic)} holds a wildcard; '+' and '#' belong in the filters of subscribers`,
    )
  }
}

/**
 * Checks a topic filter: as a name, but a level may be `+`, and the last may be `#` [MQTT-4.7.1-2, MQTT-4.7.1-3].
 * @throws GomqError INVALID_FILTER
 */
export function validateTopicFilter(filter: string): void {
  checkText(filter, 'INVALID_FILTER', 'topic filter')
  if (!filter.includes('+') && !filter.includes('#')) return
  const levels = filter.split('/')
  for (let i = 0; i < levels.length; i++) {
    const level = levels[i]!
    if (level === '+') continue
    if (level === '#' && i === levels.length - 1) continue
    if (level.includes('#')) {
      refuse('INVALID_FILTER', `topic filter ${quote(filter)}: '#' must be the whole last level, as in 'a/#'`)
    }
    if (level.includes('+')) {
      refuse('INVALID_FILTER', `topic filter ${quote(filter)}: '+' must be a whole level, as in 'a/+/c'`)
    }
  }
}

/**
 * Whether a valid filter matches a valid topic name. `+` matches one level, also an empty one; `#` matches the level before it
 * and everything below; a filter that begins with a wildcard does not match names that begin with `$` [MQTT-4.7.2-1].
 *
 *     sport/#   matches  sport, sport/, sport/tennis/player1
 *     +/tennis  matches  sport/tennis, /tennis
 */
export function topicMatches(filter: string, topic: string): boolean {
  if (topic.startsWith('$') && (filter.startsWith('+') || filter.startsWith('#'))) return false
  const filterLevels = filter.split('/')
  const topicLevels = topic.split('/')
  for (let i = 0; i < filterLevels.length; i++) {
    const level = filterLevels[i]
    if (level === '#') return true
    if (i >= topicLevels.length) return false
    if (level !== '+' && level !== topicLevels[i]) return false
  }
  return filterLevels.length === topicLevels.length
}

function checkText(text: string, code: 'INVALID_TOPIC' | 'INVALID_FILTER', what: string): void {
  if (text.length === 0) refuse(code, `the ${what} is empty; it needs at least one character`)
  const bytes = text.length * 3 <= TOPIC_BYTES_MAX ? text.length : utf8Bytes(text)
  if (bytes > TOPIC_BYTES_MAX) refuse(code, `the ${what} has ${bytes} bytes; at most ${TOPIC_BYTES_MAX} are allowed`)
  let levels = 1
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit === 0x2f) levels++
    else if (unit === 0) refuse(code, `the ${what} ${quote(text)} holds a NUL character at position ${i}`)
    else if (unit >= 0xd800 && unit < 0xe000) {
      const isPair = unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00
      if (!isPair)
        refuse(code, `the ${what} ${quote(text)} holds a lone surrogate at position ${i}; it is no valid Unicode`)
      i++
    }
  }
  if (levels > TOPIC_LEVELS_MAX)
    refuse(code, `the ${what} has ${levels} levels; at most ${TOPIC_LEVELS_MAX} are allowed`)
}

/** The text in quotes with control characters escaped and its length bounded, fit for a message or a log line. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

function refuse(code: 'INVALID_TOPIC' | 'INVALID_FILTER', message: string): never {
  throw new GomqError(code, message)
}
