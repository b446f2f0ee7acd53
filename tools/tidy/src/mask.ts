/** A source text twice, character for character, so that positions and lines agree with the original. */
export interface Masked {
  /** Without comments and without what stands in strings, templates and regular expressions (their quotes stay). */
  readonly code: string
  /** Only the comments. */
  readonly comments: string
}

/** A `/` after one of these begins a regular expression; after anything else it divides. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|throw|yield|await))$/

/**
 * Blanks what is no code. A small scanner, not a parser: it knows comments, strings, templates with nested code, and regular
 * expressions by the token before them.
 */
export function mask(text: string): Masked {
  const code = text.split('')
  const comments = text.replace(/[^\n]/g, ' ').split('')
  /** Depth of braces at which each open template goes on as text. */
  const templates: number[] = []
  let braces = 0
  let at = 0

  const blank = (from: number, to: number) => {
    for (let i = from; i < to; i++) if (code[i] !== '\n') code[i] = ' '
  }
  const templateText = (from: number): number => {
    let i = from
    for (; i < text.length; i++) {
      if (text[i] === '\\') i++
      else if (text[i] === '`') {
        blank(from, i)
        return i + 1
      } else if (text[i] === '$' && text[i + 1] === '{') {
        blank(from, i + 1)
        templates.push(braces++)
        return i + 2
      }
    }
    blank(from, text.length)
    return text.length
  }

  while (at < text.length) {
    const c = text[at]!
    const next = text[at + 1]
    if (c === '/' && (next === '/' || next === '*')) {
      const close = next === '/' ? text.indexOf('\n', at) : text.indexOf('*/', at + 2)
      const end = close === -1 ? text.length : next === '/' ? close : close + 2
      for (let i = at; i < end; i++) comments[i] = text[i]!
      blank(at, end)
      at = end
    } else if (c === "'" || c === '"') {
      let i = at + 1
      while (i < text.length && text[i] !== c && text[i] !== '\n') i += text[i] === '\\' ? 2 : 1
      blank(at + 1, Math.min(i, text.length))
      at = i + 1
    } else if (c === '`') at = templateText(at + 1)
    else if (c === '{') {
      braces++
      at++
    } else if (c === '}') {
      braces--
      if (templates.at(-1) === braces) {
        templates.pop()
        at = templateText(at + 1)
      } else at++
    } else if (
      c === '/' &&
      BEFORE_REGEX.test(
        code
          .slice(Math.max(0, at - 200), at)
          .join('')
          .trimEnd(),
      )
    ) {
      const end = regexEnd(text, at)
      blank(at + 1, end)
      at = end
    } else at++
  }
  return { code: code.join(''), comments: comments.join('') }
}

/** Position after the closing `/`; the line's end if there is none. */
function regexEnd(text: string, start: number): number {
  let inClass = false
  for (let i = start + 1; i < text.length && text[i] !== '\n'; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '[') inClass = true
    else if (text[i] === ']') inClass = false
    else if (text[i] === '/' && !inClass) return i + 1
  }
  return start + 1
}
