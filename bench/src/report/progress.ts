/** Says on a terminal what is going on, on one line of stderr that the next word overwrites. */
export function showProgress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${what.slice(0, (process.stderr.columns ?? 80) - 1)}`)
}

/** Makes room for what is printed next. */
export function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[K')
}
