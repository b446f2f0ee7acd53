import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const fileOf = (name: string): string => fileURLToPath(new URL(`./${name}`, import.meta.url))

/**
 * Compares bytes with those in `golden/<name>.bin`. A file is written once, when it is missing, and compared for ever: a format that
 * was released does not change. A missing file fails the test where `CI` is set.
 */
export function expectGoldenBytes(name: string, bytes: Uint8Array): void {
  const file = fileOf(`${name}.bin`)
  if (!existsSync(file)) {
    expect(process.env['CI'], `${name}.bin is missing; run the test without CI and commit the file`).toBeUndefined()
    writeFileSync(file, bytes)
  }
  expect(Buffer.from(bytes).toString('hex')).toBe(readFileSync(file).toString('hex'))
}

/** The bytes of `golden/<name>.bin`, which an older version wrote. */
export function goldenBytes(name: string): Uint8Array {
  return readFileSync(fileOf(`${name}.bin`))
}

/** Compares a text with `golden/<name>.txt`; `GOMQ_UPDATE_GOLDEN=1` writes the file instead, for a look at the difference. */
export function expectGoldenText(name: string, text: string): void {
  const file = fileOf(`${name}.txt`)
  if (process.env['GOMQ_UPDATE_GOLDEN'] === '1') writeFileSync(file, text)
  expect(existsSync(file), `${name}.txt is missing; write it with GOMQ_UPDATE_GOLDEN=1`).toBe(true)
  expect(text).toBe(readFileSync(file, 'utf8'))
}
