import { expect, test } from 'vitest'
import { environmentOf, instructionsOf, lastStage } from '../src/dockerfile.js'

const DOCKERFILE = `# a comment
FROM node:20 AS build
ENV A=0
RUN one \\
 && two

FROM node:20
# in between
ENV A=1 \\
    B=x=y
user node
`

test('instructions are joined over lines, and the last stage is told from those before', () => {
  const instructions = instructionsOf(DOCKERFILE)
  expect(instructions.map(({ name }) => name)).toEqual(['FROM', 'ENV', 'RUN', 'FROM', 'ENV', 'USER'])
  expect(instructions[2]!.text).toBe('one && two')
  expect(lastStage(instructions, 'RUN')).toEqual([])
  expect(lastStage(instructions, 'USER')).toEqual(['node'])
  expect(environmentOf(instructions)).toEqual({ A: '1', B: 'x=y' })
})
