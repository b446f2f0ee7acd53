import { GomqError } from '@gomq/protocol'
import { expect, test } from 'vitest'
import { exitCodeFor } from '../../src/node/exit-code.js'

const systemError = (code: string) => Object.assign(new Error(code), { code, syscall: 'fsync' })

test.each([
  ['a failed write or sync', new GomqError('STORAGE_FAILED', ''), 74],
  ['the disk failing in the start', systemError('EIO'), 74],
  ['an address in use', systemError('EADDRINUSE'), 69],
  ['a locked data directory', new GomqError('DATA_DIR_LOCKED', ''), 75],
  ['a bad configuration', new GomqError('CONFIG_INVALID', ''), 78],
  ['a bug', new TypeError('x'), 70],
])('%s ends the process with its own exit code', (_, error, code) => {
  expect(exitCodeFor(error)).toBe(code)
})
