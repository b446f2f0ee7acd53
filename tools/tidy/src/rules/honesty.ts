import { lineAt } from '../source-file.js'
import { findInCode, type Rule, type Violation } from '../violation.js'

const SWITCHED_OFF = /\b(?:it|test|describe|suite|bench)(?:\.\w+)*\.(?:only|skip|skipIf|runIf|todo|fails)\b/g
const ANY = /(?:[:<,|&=]|\bas|\bextends)\s*any\b(?!\s*[(.:])/g
const WAVED_THROUGH = /@ts-(?:ignore|nocheck|expect-error)/g

/** No test is switched off and no type is waved through. */
export const honesty: Rule = (tree) => {
  const violations: Violation[] = []
  for (const file of tree.values()) {
    violations.push(...findInCode(file, SWITCHED_OFF, (found) => `'${found}': a test runs or goes`))
    violations.push(...findInCode(file, ANY, () => "'any' switches the compiler off; use unknown and check"))
    for (const match of file.comments.matchAll(WAVED_THROUGH))
      violations.push({
        path: file.path,
        line: lineAt(file.text, match.index),
        message: `'${match[0]}' waves an error through; mend its cause`,
      })
  }
  return violations
}
