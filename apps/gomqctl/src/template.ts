import { randomBytes, randomUUID } from 'node:crypto'
import { GomqError } from '@gomq/client'
import type { Payload } from './publisher.js'

/** Characters that `{{random:N}}` may ask for. Keeps a slip of the finger from filling the memory. */
const RANDOM_MAX = 1_000_000
const PLACEHOLDER = /\{\{(.*?)(\}\}|$)/gs
const RANDOM = /^random:([1-9]\d{0,6})$/

/** Where a template's values come from; tests put something else in their place. */
export interface TemplateSources {
  /** Milliseconds since 1970. */
  nowMs(): number
  uuid(): string
  /** Text of so many letters, digits, `-` and `_`. */
  random(length: number): string
}

const SOURCES: TemplateSources = {
  nowMs: () => Date.now(),
  uuid: () => randomUUID(),
  random: (length) =>
    randomBytes(Math.ceil((length * 3) / 4))
      .toString('base64url')
      .slice(0, length),
}

/**
 * The message that a template stands for. `{{n}}` is its number, `{{time}}` now, `{{uuid}}` a random UUID and `{{random:N}}` N random
 * characters; all else stays as it is, byte for byte.
 *
 * @param n  number of the message, from 1
 * @throws GomqError INVALID_ARGUMENT  a placeholder that there is none of
 */
export function renderTemplate(template: Payload, n: number, sources: TemplateSources = SOURCES): Payload {
  if (typeof template === 'string') return rendered(template, n, sources, (text) => text)
  // A byte a character, there and back: what is filled in is ASCII.
  const text = Buffer.from(template.buffer, template.byteOffset, template.byteLength).toString('latin1')
  const message = rendered(text, n, sources, (part) => Buffer.from(part, 'latin1').toString())
  return Buffer.from(message, 'latin1')
}

/** Refuses a template whose message could not be made. @throws GomqError INVALID_ARGUMENT */
export function checkTemplate(template: string): void {
  renderTemplate(template, 1, { nowMs: () => 0, uuid: () => '', random: () => '' })
}

/** @param shown  what a part of the template is in a message */
function rendered(template: string, n: number, sources: TemplateSources, shown: (part: string) => string): string {
  return template.replace(PLACEHOLDER, (whole: string, name: string) => {
    if (whole.endsWith('}}')) {
      if (name === 'n') return String(n)
      if (name === 'time') return new Date(sources.nowMs()).toISOString()
      if (name === 'uuid') return sources.uuid()
      const length = Number(RANDOM.exec(name)?.[1])
      if (length <= RANDOM_MAX) return sources.random(length)
    }
    const quoted = JSON.stringify(shown(whole.length > 40 ? `${whole.slice(0, 40)}…` : whole))
    throw new GomqError(
      'INVALID_ARGUMENT',
      `${quoted} is no placeholder; there are {{n}}, {{time}}, {{uuid}} and {{random:N}}, N from 1 to ${RANDOM_MAX}`,
    )
  })
}
