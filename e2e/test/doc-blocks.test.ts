import { expect, test } from 'vitest'
import { blocksOf, commandsOf, printsOf } from './support/doc-blocks.js'

const PAGE = `# A page

\`\`\`js
console.log(1 + 2) // 3
\`\`\`

<!-- not run: needs a camera -->

\`\`\`sh
gomqctl pub - < photo.jpg
\`\`\`

- in a list:

  \`\`\`sh
  # nothing but a comment
  npx gomqctl --topic 'a/#' \\
    sub --count 3   # the first three
  gomqctl --topic '#' sub
  journalctl -f | gomqctl pub # not run: follows the journal
  \`\`\`

\`\`\`
plain
\`\`\`
`

test('the blocks of a page have language, line and text, and say why they do not run', () => {
  const blocks = blocksOf(PAGE)
  expect(blocks.map(({ language, line, notRun }) => [language, line, notRun])).toEqual([
    ['js', 3, undefined],
    ['sh', 9, 'needs a camera'],
    ['sh', 15, undefined],
    ['', 23, undefined],
  ])
  expect(blocks[0]!.text).toBe('console.log(1 + 2) // 3\n')
  expect(printsOf(blocks[0]!.text)).toEqual(['3'])
})

test('a block without an end is refused', () => {
  expect(() => blocksOf('text\n```js\nfoo()\n')).toThrow('the block at line 2 has no end')
})

test('commands are told from comments, and a topic filter is no comment', () => {
  expect(commandsOf(blocksOf(PAGE)[2]!)).toEqual([
    { line: 17, text: "npx gomqctl --topic 'a/#'  sub --count 3", comment: 'the first three', notRun: undefined },
    { line: 19, text: "gomqctl --topic '#' sub", comment: '', notRun: undefined },
    {
      line: 20,
      text: 'journalctl -f | gomqctl pub',
      comment: 'not run: follows the journal',
      notRun: 'follows the journal',
    },
  ])
})
