import { delay } from './killed-load.js'

/** Waits until it is so. @param what  for the error, when it has not come to pass in time */
export async function until(what: string, condition: () => Promise<boolean>, withinMs = 30_000): Promise<void> {
  const endMs = Date.now() + withinMs
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`it did not come to pass that ${what}`)
    await delay(50)
  }
}
