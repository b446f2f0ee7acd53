import type { SeededRandom } from './seeded-random.js'

/** What topics are made of and what breaks them: levels, wildcards, NUL, controls, surrogates alone and in pairs. */
const PIECES = [
  ...['a', 'B', '/', '/', '+', '#', '$', '$SYS', ' ', '\0', '\n', '\u007f', '\u0085', '\ufeff', '\ufffd', '\uffff'],
  ...['ü', '€', '😀', '\ud83d', '\ude00', '\ud800', '\udfff', '"', '\\', '%', '%00', '__proto__', 'constructor', '..'],
]

/** Text that may be a topic name, a topic filter or neither, near the bounds of each. Every door gets it in its tests. */
export function hostileText(random: SeededRandom): string {
  const kind = random.below(1000)
  if (kind === 0) return 'x'.repeat(65_533 + random.below(5))
  if (kind === 1) return '€'.repeat(21_843 + random.below(4))
  if (kind === 2) return '/'.repeat(197 + random.below(5))
  let text = ''
  for (let count = random.below(6); count > 0; count--)
    text += random.below(10) === 0 ? String.fromCharCode(random.below(0x1_0000)) : PIECES[random.below(PIECES.length)]!
  return text
}
