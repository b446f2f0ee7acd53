import { expect, test } from 'vitest'
import { globalOptions } from '../src/global-options.js'

test('every option has an environment variable of its own, named after it', () => {
  for (const { long, envVar, negate } of globalOptions())
    expect(envVar, long).toBe(negate ? undefined : `GOMQ_${long!.slice(2).toUpperCase().replaceAll('-', '_')}`)
})
