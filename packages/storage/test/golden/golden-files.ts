import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

/**
 * Compares bytes with those in `golden/<name>.bin`. A file is written once, when it is missing, and compared for ever: a format
 * that was released does not change. A missing file fails the test where `CI` is set.
 */
export function expectGolden(name: string, bytes: Uint8Array): void {
  const file = fileURLToPath(new URL(`./${name}.bin`, import.meta.url))
  if (!existsSync(file)) {
    expect(process.env['CI'], `${name}.bin is missing; run the test without CI and commit the file`).toBeUndefined()
    writeFileSync(file, bytes)
  }
  expect(Buffer.from(bytes).toString('hex')).toBe(readGolden(name).toString('hex'))
}

/** The bytes in `golden/<name>.bin`. */
export function readGolden(name: string): Buffer {
  return readFileSync(new URL(`./${name}.bin`, import.meta.url))
}
