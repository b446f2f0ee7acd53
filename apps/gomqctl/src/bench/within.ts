/** Whether the promise settles, either way, before so many milliseconds are over. */
export async function settlesWithin(promise: Promise<unknown>, timeoutMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs)
  })
  const settled = promise.then(
    () => true,
    () => true,
  )
  const isSettled = await Promise.race([settled, timeout])
  clearTimeout(timer)
  return isSettled
}
