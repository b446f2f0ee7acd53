import { expect, test } from 'vitest'
import { Notes } from '../src/notes.js'

function said(isTTY: boolean | undefined, isQuiet: boolean): string[] {
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text), ...(isTTY !== undefined && { isTTY }) }
  const notes = new Notes(stream, isQuiet)
  notes.warn('warning')
  notes.report('report')
  notes.hint('hint')
  return written
}

test('a person at a terminal is told everything', () => {
  expect(said(true, false)).toEqual(['gomqctl: warning\n', 'report\n', 'gomqctl: hint\n'])
})

test('a log gets no hints', () => {
  expect(said(undefined, false)).toEqual(['gomqctl: warning\n', 'report\n'])
})

test('--quiet leaves only what goes wrong, also on a terminal', () => {
  expect(said(true, true)).toEqual(['gomqctl: warning\n'])
})
