import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below those that the system gives to connections that go out (from 32,768 on Linux): one of these could take it while its process is down. */
const PORT_MIN = 12_000
const PORT_END = 32_000
const given = new Set<number>()

/** A port of the loopback that nobody listens on now, nor got from here before. It stays free while the process that listens there is started again. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORT_MIN, PORT_END)
    if (given.has(port) || !(await canListen(port))) continue
    given.add(port)
    return port
  }
}

function canListen(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
