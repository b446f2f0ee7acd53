import type { Rule } from '../violation.js'

const BANNED = /^(utils?|helpers?|common|types|misc|shared|stuff|lib)$/

/** One noun, one file: no drawer for things that belong nowhere. */
export const names: Rule = (tree) =>
  [...tree.values()].flatMap((file) =>
    file.path
      .split('/')
      .flatMap((part) => part.replace(/(\.test)?\.ts$/, '').split('.'))
      .filter((part) => BANNED.test(part))
      .map((part) => ({
        path: file.path,
        line: 0,
        message: `'${part}' says nothing; name the file after the one thing in it`,
      })),
  )
